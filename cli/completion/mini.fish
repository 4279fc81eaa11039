# fish completion for mini
function __mini_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l program (string replace -r '^~' $HOME -- $words[1])
    for line in ($program __complete -- $words[2..-1] $current 2>/dev/null)
        switch $line
            case :none
            case :file :directory
                set -l prefix (string match -r '^--[^=]+=' -- $current)
                set -l path (string replace -r '^--[^=]+=' '' -- $current)
                for file in (if test $line = :file; __fish_complete_path $path; else; __fish_complete_directories $path; end)
                    echo "$prefix$file"
                end
            case '*'
                echo $line
        end
    end
end
complete -c mini -f -a '(__mini_complete)'
