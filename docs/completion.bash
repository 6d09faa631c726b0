# Completion of xray86 for bash: source it, or copy it to /usr/share/bash-completion/completions/xray86. It asks --help for the options.
_xray86()
{
	local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} command=${COMP_WORDS[1]}

	if [ "$COMP_CWORD" = 1 ]; then
		COMPREPLY=($(compgen -W "$("$1" --help 2>/dev/null | sed -n 's/^  \([a-z]\+\) .*/\1/p') --help --version" -- "$current"))
		return
	fi
	case $previous in
	--acpi) COMPREPLY=($(compgen -W 'on off' -- "$current")) && return ;;
	--cpu) COMPREPLY=($(compgen -W 'x86-64 x86-64-la57 i686' -- "$current")) && return ;;
	--env) COMPREPLY=($(compgen -v -- "$current")) && return ;;
	--redirect) COMPREPLY=($(compgen -W 'context tags none' -- "$current")) && return ;;
	--code) COMPREPLY=($(compgen -W 'trusted product' -- "$current")) && return ;;
	--root | --kernel-path) compopt -o filenames && COMPREPLY=($(compgen -d -- "$current")) && return ;;
	cache) COMPREPLY=($(compgen -W 'list prune' -- "$current")) && return ;;
	--engine) COMPREPLY=($(compgen -W 'plain tagged' -- "$current")) && return ;;
	esac
	case $current in
	-*) COMPREPLY=($(compgen -W "$("$1" "$command" --help 2>/dev/null | grep -o '^  --[a-z-]\+')" -- "$current")) ;;
	*) compopt -o filenames && COMPREPLY=($(compgen -f -- "$current")) ;;
	esac
}
complete -F _xray86 xray86
