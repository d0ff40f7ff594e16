# bash completion for podinit(1).

_podinit()
{
    local word=${COMP_WORDS[COMP_CWORD]} signals='HUP INT QUIT KILL USR1 USR2 TERM'
    # Where the program is, and what was typed of a value: --option=value is three words to bash.
    local at=1 option= value=$word
    COMPREPLY=()
    while ((at < COMP_CWORD)); do
        case ${COMP_WORDS[at]} in
            --) ((at++)); break ;;
            --env | --grace | --kill-after | --parent-death | --remap | --rewrite | --target | --umask | --user | --watch | --workdir | -[er])
                option=${COMP_WORDS[at++]} ;;
            -p) option=--parent-death; ((at++)) ;;
            -*) ((at++)); continue ;;
            *) break ;;
        esac
        [[ ${COMP_WORDS[at]} == = ]] && ((at++))
        ((at >= COMP_CWORD)) && break
        option=
        ((at++))
        # As does A:B, and NAME=VALUE.
        while [[ ${COMP_WORDS[at]} == [:=] ]]; do ((at += 2)); done
    done
    if [[ $option ]] && ((at >= COMP_CWORD)); then
        [[ $value == = ]] && value=
        case $option in
            --target) COMPREPLY=($(compgen -W 'all auto child group leaders none sender' -- "$value")) ;;
            --parent-death) COMPREPLY=($(compgen -W "$signals" -- "$value")) ;;
            --user) COMPREPLY=($(compgen -u -- "$value")) ;;
            --workdir) compopt -o filenames; COMPREPLY=($(compgen -d -- "$value")) ;;
        esac
    elif ((at < COMP_CWORD)) || [[ $word != -* || ${COMP_WORDS[at - 1]} == -- ]]; then
        if declare -F _command_offset >/dev/null; then
            _command_offset "$at"
        elif ((at == COMP_CWORD)); then
            COMPREPLY=($(compgen -c -- "$word"))
        else
            compopt -o default
        fi
    else
        COMPREPLY=($(compgen -W '
            -g -c --single-child --target -r --rewrite --grace --kill-after -e --remap --die-alike --user --workdir
            --umask --watch --env --expand-env --as-pid-1 --termination-log -p --parent-death -s --subreaper -w --warn-reaped
            -v --verbose --explain -h --help -V --version -l -L --license --list-names --diagnose --json -P --pause
            --keep-privileges' -- "$word"))
    fi
} && complete -F _podinit podinit
