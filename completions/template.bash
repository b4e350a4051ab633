# bash completion for @PROGRAM@ (GPL-3.0-or-later)
_pellucid_words_@FUNCTION@() {
  cat <<'WORDS'
@WORDS@
WORDS
}
_pellucid_@FUNCTION@() {
  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} values
  values=$(_pellucid_words_@FUNCTION@ | awk -F '\t' -v o="$before" '$1 == o { print $2 }')
  if [ -n "$values" ] && [ "$values" != FILE ]; then
    mapfile -t COMPREPLY < <(compgen -W "${values//|/ }" -- "$word")
  elif [ -z "$values" ] && [[ $word == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$(_pellucid_words_@FUNCTION@ | cut -f 1)" -- "$word")
  else
    mapfile -t COMPREPLY < <(compgen -f -- "$word")
  fi
}
complete -o filenames -F _pellucid_@FUNCTION@ @PROGRAM@
