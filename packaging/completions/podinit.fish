# fish completion for podinit(1).

# Options end at the program, which has completions of its own.
function __podinit_program
    set -l words (commandline -opc) (commandline -ct)
    set -l takes_value --env --grace --kill-after --parent-death --remap --rewrite --target --umask --user --watch --workdir -e -p -r
    set -e words[1]
    while set -q words[2]
        switch $words[1]
            case --
                set -e words[1]
                break
            case '-*'
                if contains -- $words[1] $takes_value
                    set -e words[1]
                end
                set -e words[1]
            case '*'
                break
        end
    end
    string join ' ' -- (string escape -- $words)
end

function __podinit_complete_program
    set -l line (__podinit_program)
    if __podinit_options; and string match -q -- '-*' $line
        return
    end
    complete -C "$line"
end

function __podinit_options
    set -l line (__podinit_program)
    not string match -q '* *' -- "$line"; and not contains -- -- (commandline -opc)
end

set -l signals HUP INT QUIT KILL USR1 USR2 TERM
complete -c podinit -f -a '(__podinit_complete_program)'
complete -c podinit -n __podinit_options -s g -d 'Forward signals to the process group'
complete -c podinit -n __podinit_options -s c -l single-child -d 'Forward signals to the program alone'
complete -c podinit -n __podinit_options -l target -x -a 'group child all auto leaders sender none' -d 'Which processes to forward signals to'
complete -c podinit -n __podinit_options -s r -l rewrite -x -d 'Forward another signal, 0 for none'
complete -c podinit -n __podinit_options -l grace -x -a '0 5s 30s 1m' -d 'How long to wait for the remaining processes'
complete -c podinit -n __podinit_options -l kill-after -x -a '10s 30s 1m' -d 'SIGKILL this long after the first stop signal'
complete -c podinit -n __podinit_options -s e -l remap -x -d 'Exit with another code'
complete -c podinit -n __podinit_options -l die-alike -d 'Be killed by the signal that killed the program'
complete -c podinit -n __podinit_options -l user -x -a '(__fish_complete_users)' -d 'Run the program as this user'
complete -c podinit -n __podinit_options -l workdir -x -a '(__fish_complete_directories)' -d 'Run the program in this directory'
complete -c podinit -n __podinit_options -l watch -r -F -d 'Send a signal when this has changed'
complete -c podinit -n __podinit_options -l umask -x -a '022 027 077' -d 'Run the program with this umask'
complete -c podinit -n __podinit_options -l env -x -d 'Set a variable for the program'
complete -c podinit -n __podinit_options -l expand-env -d 'Replace ${NAME} in the arguments'
complete -c podinit -n __podinit_options -l as-pid-1 -d 'Run PROGRAM as PID 1 of its own PID namespace'
complete -c podinit -n __podinit_options -l termination-log -d 'Write to /dev/termination-log how the program exited'
complete -c podinit -n __podinit_options -s p -l parent-death -x -a "$signals" -d 'Signal when the parent dies'
complete -c podinit -n __podinit_options -s s -l subreaper -d 'Adopt orphans also where not PID 1'
complete -c podinit -n __podinit_options -s w -l warn-reaped -d 'Log each orphan that is reaped'
complete -c podinit -n __podinit_options -s v -l verbose -d 'Log more'
complete -c podinit -n __podinit_options -s P -l pause -d 'Be the pause process of a pod'
complete -c podinit -n __podinit_options -l keep-privileges -d 'Pause process: if root, stay so'
complete -c podinit -n __podinit_options -l explain -d 'Print what would be done'
complete -c podinit -n __podinit_options -s h -l help -d 'Print a summary of the options'
complete -c podinit -n __podinit_options -s V -l version -d 'Print the version'
complete -c podinit -n __podinit_options -s l -s L -l license -d 'Print the license'
complete -c podinit -n __podinit_options -l list-names -d 'Print the names it may be called by'
complete -c podinit -n __podinit_options -l diagnose -d 'Say what is wrong in this container or pod'
complete -c podinit -n __podinit_options -l json -d 'With --diagnose: for programs'
