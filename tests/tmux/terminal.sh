# A terminal of 80×24 that tmux lends, a project in it, and what a person does there. To be sourced, with $program as the program
# and $is_verbose as whether to print what is on the screen at each step. Nothing here sleeps for a fixed time: it looks until it
# sees what it waits for.
root=$(realpath "$(dirname "${BASH_SOURCE[0]}")/../..")

scratch=$(mktemp -d)
# A server of its own, so that no other session of tmux is touched.
terminal() { TMUX='' tmux -f /dev/null -S "$scratch/tmux" "$@"; }
trap 'terminal kill-server 2>/dev/null || true; rm -rf "$scratch"' EXIT

cp "$root/graphs/text_to_image.ron" "$scratch/graph.ron"
cat >"$scratch/models.ron" <<END
Models(format: 1, models: {"tiny-flux2": (family: Flux2, source: Folder("$root/graphs/models/tiny-flux2"))})
END
export RONDEL_CACHE_DIR="$scratch/cache" XDG_CACHE_HOME="$scratch/home" XDG_CONFIG_HOME="$scratch/home" XDG_DATA_HOME="$scratch/home"
export LC_ALL=C.UTF-8 COLORTERM=truecolor PS1='ready> ' RONDEL="$program"

# What is on the screen.
shown() { terminal capture-pane -p; }

# Looks until the screen has this (an extended regular expression), for twenty seconds at most.
see() {
    local until=$((SECONDS + 20))
    while ! shown | grep -Eq -- "$1"; do
        if [ $SECONDS -ge $until ]; then
            echo "── it never showed: $1; on the screen is:" >&2
            shown >&2
            exit 1
        fi
        sleep 0.05
    done
    [ "$is_verbose" = 0 ] || { echo "── $1"; shown; }
}

press() { terminal send-keys "$@"; }

# Changes the file as an editor does: written beside, and renamed.
edit() { sed "$1" "$scratch/graph.ron" >"$scratch/graph.ron~" && mv "$scratch/graph.ron~" "$scratch/graph.ron"; }
