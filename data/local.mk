# Data that ships.
