# The programs: one file each.

LDADD = libpellucid.la
