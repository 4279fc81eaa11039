#compdef mini
_mini() {
  local -a lines offered
  local line value description
  lines=("${(@f)$("${(Q)words[1]/#\~/$HOME}" __complete -- "${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null)}")
  for line in $lines; do
    case $line in
      :none) ;;
      :file) compset -P '*='; _files ;;
      :directory) compset -P '*='; _files -/ ;;
      *)
        value=${line%%$'\t'*} description=${line#*$'\t'}
        value=${value//:/\\:}
        offered+=("$value${description:+:$description}")
        ;;
    esac
  done
  # A key is followed by its value, without a space.
  local -a suffix
  [[ $offered[1] == [a-z]#= ]] && suffix=(-S '')
  (( $#offered )) && _describe -V mini offered $suffix
}
if [[ $funcstack[1] == _mini ]]; then
  _mini "$@"
else
  compdef _mini mini
fi
