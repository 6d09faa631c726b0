# Completion of xray86 for fish. `make install` installs it; or copy this file into ~/.config/fish/completions.

# Where the command of `xray86 run` begins in the words after `run`; nothing while the snapshot or the command is still to come.
function __xray86_command
    set -l takes --as --kernel --kernel-path --root --env --redirect --code --trust-module --policy --memory --timeout --budget
    set -l words (commandline -opc)[3..-1]
    set -l snapshot
    while set -q words[1]
        switch $words[1]
            case --
                string join \n -- $words[2..-1]
                return 0
            case '-*'
                contains -- $words[1] $takes; and set -e words[1]
            case '*'
                if set -q snapshot[1]
                    string join \n -- $words
                    return 0
                end
                set snapshot $words[1]
        end
        set -e words[1]
    end
    set -q snapshot[1]; and return 2
    return 1
end

# Of `run`: whether the word is an option of run, or the snapshot.
function __xray86_in_run
    __fish_seen_subcommand_from run; and test (count (__xray86_command)) = 0
end

function __xray86_wants_command
    __fish_seen_subcommand_from run; and begin
        __xray86_command >/dev/null
        test $status != 1
    end
end

function __xray86_complete_command
    set -l words (__xray86_command) (commandline -ct)
    set -q words[2]; or string match -q -- '-*' $words; and return
    complete --do-complete=(string join ' ' -- $words)
end

complete -c xray86 -n __fish_use_subcommand -f -a run -d 'run a command of this machine as if it were in a snapshot'
complete -c xray86 -n __fish_use_subcommand -f -a info -d 'tell what a snapshot is, and which kernel is in it'
complete -c xray86 -n __fish_use_subcommand -f -a kernel -d 'name the packages that have a snapshot\'s kernel, and get them'
complete -c xray86 -n __fish_use_subcommand -f -a cache -d 'list or delete the booted and unpacked kernels that are kept'
complete -c xray86 -n __fish_use_subcommand -f -a symbols -d 'print a Linux kernel\'s symbols, or find some'
complete -c xray86 -n __fish_use_subcommand -f -a boot -d 'run a kernel or BIOS in an emulated PC'
complete -c xray86 -n __fish_use_subcommand -f -l version -d 'print the version'
complete -c xray86 -n 'not __xray86_wants_command' -f -l help -d 'print help'

# run
complete -c xray86 -n __xray86_wants_command -a '(__xray86_complete_command)'
complete -c xray86 -n __xray86_in_run -x -l as -d 'see what this process of the snapshot sees'
complete -c xray86 -n __xray86_in_run -r -l kernel -d 'image of the snapshot\'s kernel'
complete -c xray86 -n __xray86_in_run -x -l kernel-path -a '(__fish_complete_directories)' -d 'where to look for the image'
complete -c xray86 -n __xray86_in_run -x -l root -a '(__fish_complete_directories)' -d 'take the command from the file system there'
complete -c xray86 -n __xray86_in_run -x -l env -a '(set -nx)' -d 'give the command this variable'
complete -c xray86 -n __xray86_in_run -x -l redirect -a 'context tags none' -d 'how data accesses find the snapshot'
complete -c xray86 -n __xray86_in_run -x -l code -a 'verified trusted product' -d 'what to do with code that the trusted kernel lacks'
complete -c xray86 -n __xray86_in_run -x -l trust-module -d 'run the snapshot\'s own code of this module'
complete -c xray86 -n __xray86_in_run -r -l policy -d 'change rows of the policy'
complete -c xray86 -n __xray86_in_run -x -l memory -d 'RAM of the trusted VM'
complete -c xray86 -n __xray86_in_run -x -l timeout -d 'stop the run after these seconds'
complete -c xray86 -n __xray86_in_run -x -l budget -d 'stop the command after these instructions'
complete -c xray86 -n __xray86_in_run -f -l strict -d 'fail if the answer may be incomplete'
complete -c xray86 -n __xray86_in_run -f -l no-cache -d 'boot the trusted kernel anew, keep nothing'
complete -c xray86 -n __xray86_in_run -f -l raw -d 'write output to a terminal as it is'
complete -c xray86 -n __xray86_in_run -l trace -d 'print a line for each call on the snapshot'
complete -c xray86 -n __xray86_in_run -f -l no-sandbox -d 'keep privileges, for debuggers'
complete -c xray86 -n __xray86_in_run -f -l stats -d 'print counters at the end'
complete -c xray86 -n __xray86_in_run -f -l json -d 'print trace and counters as JSON'

# info
complete -c xray86 -n '__fish_seen_subcommand_from info' -r -l kernel -d 'image of the snapshot\'s kernel'
complete -c xray86 -n '__fish_seen_subcommand_from info' -x -l kernel-path -a '(__fish_complete_directories)' -d 'where to look for the image'
complete -c xray86 -n '__fish_seen_subcommand_from info' -f -l json -d 'print JSON'
complete -c xray86 -n '__fish_seen_subcommand_from info' -f -l no-sandbox -d 'keep privileges, for debuggers'

# kernel
complete -c xray86 -n '__fish_seen_subcommand_from kernel' -f -l get -d 'download and unpack the packages'
complete -c xray86 -n '__fish_seen_subcommand_from kernel' -x -l kernel-path -a '(__fish_complete_directories)' -d 'where to look for the image'
complete -c xray86 -n '__fish_seen_subcommand_from kernel' -f -l json -d 'print JSON'
complete -c xray86 -n '__fish_seen_subcommand_from kernel' -f -l no-sandbox -d 'keep privileges, for debuggers'

# cache
complete -c xray86 -n '__fish_seen_subcommand_from cache' -f -a 'list prune'
complete -c xray86 -n '__fish_seen_subcommand_from cache' -f -l all -d 'prune: delete every file'

# symbols
complete -c xray86 -n '__fish_seen_subcommand_from symbols' -x -l kernel-base -d 'where the kernel is'
complete -c xray86 -n '__fish_seen_subcommand_from symbols' -f -l snapshot -d 'the file is a snapshot'
complete -c xray86 -n '__fish_seen_subcommand_from symbols' -f -l no-sandbox -d 'keep privileges, for debuggers'

# boot
complete -c xray86 -n '__fish_seen_subcommand_from boot' -x -l append -d 'kernel command line'
complete -c xray86 -n '__fish_seen_subcommand_from boot' -f -l trusted-parameters -d 'use the parameters of a trusted kernel'
complete -c xray86 -n '__fish_seen_subcommand_from boot' -r -l initrd -d 'initial ramdisk, or module'
complete -c xray86 -n '__fish_seen_subcommand_from boot' -x -l memory -d 'RAM'
complete -c xray86 -n '__fish_seen_subcommand_from boot' -x -l kernel-base -d 'virtual address of the kernel'
complete -c xray86 -n '__fish_seen_subcommand_from boot' -r -l bios -d 'start in this ROM instead of an image'
complete -c xray86 -n '__fish_seen_subcommand_from boot' -x -l cpu -a 'x86-64 x86-64-la57 i686' -d processor
complete -c xray86 -n '__fish_seen_subcommand_from boot' -x -l acpi -a 'on off' -d 'describe the machine by ACPI tables'
complete -c xray86 -n '__fish_seen_subcommand_from boot' -x -l epoch -d 'time at the start, since 1970'
complete -c xray86 -n '__fish_seen_subcommand_from boot' -x -l max-instructions -d 'stop after these instructions'
complete -c xray86 -n '__fish_seen_subcommand_from boot' -x -l engine -a 'plain tagged' -d 'how to execute'
complete -c xray86 -n '__fish_seen_subcommand_from boot' -f -l no-sandbox -d 'keep privileges, for debuggers'
complete -c xray86 -n '__fish_seen_subcommand_from boot' -f -l digest -d 'print a hash of registers and RAM at the end'
complete -c xray86 -n '__fish_seen_subcommand_from boot' -f -l stats -d 'print counters at the end'
complete -c xray86 -n '__fish_seen_subcommand_from boot' -f -l profile -d 'print where the kernel\'s instructions went'
