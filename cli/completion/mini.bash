# bash completion for mini
_mini() {
  # bash splits words at = and :, which are parts of ours: join what no space separates in the line itself.
  local line=${COMP_LINE:0:COMP_POINT} words=() word i
  for ((i = 0; i <= COMP_CWORD; i++)); do
    word=${COMP_WORDS[i]}
    if [[ $line == [[:space:]]* || i -eq 0 ]]; then
      line=${line#"${line%%[![:space:]]*}"}
      words+=("")
    fi
    ((i == COMP_CWORD)) && word=$line
    line=${line#"$word"}
    words[${#words[@]}-1]+=$word
  done
  local current=${words[${#words[@]}-1]} program=${words[0]/#\~/$HOME} broken="" character
  # bash replaces only what follows the last = or :, so the candidates lose what is before.
  for character in = :; do
    if [[ $COMP_WORDBREAKS == *$character* && $current == *$character* ]]; then
      word=${current%"$character"*}$character
      ((${#word} > ${#broken})) && broken=$word
    fi
  done
  COMPREPLY=()
  local lines value
  mapfile -t lines < <("$program" __complete -- "${words[@]:1}" 2>/dev/null)
  for line in "${lines[@]}"; do
    case $line in
      :none) ;;
      :file | :directory)
        compopt -o filenames 2>/dev/null
        mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -A "${line#:}" -- "${current#"$broken"}")
        ;;
      *)
        value=${line%%$'\t'*}
        COMPREPLY+=("${value#"$broken"}")
        ;;
    esac
  done
  # A key is followed by its value, without a space.
  if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *= ]]; then compopt -o nospace 2>/dev/null; fi
}
complete -F _mini mini
