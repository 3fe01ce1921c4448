"""A program on a terminal that is a pair of pseudo terminals, read as fast as it comes; and a place for it to work in."""

import codecs
import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import threading
import time
from pathlib import Path

GRAPHS = Path(__file__).resolve().parents[2] / "graphs"
PATIENCE_SECONDS = 60
COLUMNS, ROWS = 120, 40
# A move of the cursor, another sequence, or letters; what is not whole waits for its rest.
PIECE = re.compile(r"\x1b\[(?P<place>\d+;\d+)H|\x1b\[[0-9;:?<>=]*[A-Za-z]|\x1b[\]P_].*?(?:\x07|\x1b\\)|\x1b[^\[\]P_]"
                   r"|(?P<letters>[^\x1b]+)", re.DOTALL)


class Terminal:
    """A program on a terminal of 120 by 40, which says of itself what it is told to."""

    def __init__(self, command, folder, environment, answers=b"\x1b[0n"):
        self.answers, self.sent = answers, []
        self.pid, self.file = pty.fork()
        if self.pid == 0:
            os.chdir(folder)
            os.execvpe(command[0], command, environment)
        fcntl.ioctl(self.file, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        self.cells = [[" "] * COLUMNS for _ in range(ROWS)]
        self.row = self.column = 0
        self.rest, self.decoder = "", codecs.getincrementaldecoder("utf-8")("replace")

    def read(self, seconds):
        """What comes next, and when; nothing if nothing comes for so long."""
        if not select.select([self.file], [], [], seconds)[0]:
            return b"", time.perf_counter()
        try:
            more, at = os.read(self.file, 1 << 16), time.perf_counter()
        except OSError:
            return b"", time.perf_counter()
        self.sent.append(more)
        self.show(self.decoder.decode(more))
        return more, at

    def show(self, text):
        """Does what a terminal does, as far as the program asks for it: moves the cursor and writes letters."""
        self.rest += text
        while piece := PIECE.match(self.rest):
            self.rest = self.rest[piece.end():]
            if piece.group() == "\x1b[5n":
                # The end of all questions.
                os.write(self.file, self.answers)
            place, letters = piece.group("place", "letters")
            if place:
                self.row, self.column = (int(number) - 1 for number in place.split(";"))
            for letter in letters or "":
                if self.row < ROWS and self.column < COLUMNS:
                    self.cells[self.row][self.column] = letter
                self.column += 1

    def wait_for(self, *texts):
        """The time at which one of the texts was on the screen."""
        until, at = time.monotonic() + PATIENCE_SECONDS, time.perf_counter()
        while time.monotonic() < until:
            rows = ["".join(row) for row in self.cells]
            if any(text in row for row in rows for text in texts):
                return at
            at = self.read(1)[1]
        self.kill()
        sys.exit(f"the screen never showed {texts}:\n" + "\n".join(rows))

    def kill(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)

    def quieten(self, seconds):
        """Reads on until nothing came for so long; the bytes that did."""
        n_bytes, until = 0, time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < until:
            more, _ = self.read(seconds)
            if not more:
                return n_bytes
            n_bytes += len(more)
        sys.exit("the screen never came to rest")

    def press(self, keys):
        at = time.perf_counter()
        os.write(self.file, keys.encode())
        return at

    def cpu_seconds(self):
        fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def close(self):
        self.press("q")
        # Read to the end: a program that writes to a full terminal does not end.
        threading.Thread(target=self.quieten, args=(1,), daemon=True).start()
        until = time.monotonic() + PATIENCE_SECONDS
        while os.waitpid(self.pid, os.WNOHANG)[0] == 0:
            if time.monotonic() > until:
                return self.kill()
            time.sleep(0.05)


class Place:
    """A folder with a graph of its own, and a cache."""

    def __init__(self, folder, program):
        self.folder, self.program, self.n_edits = Path(folder), program, 0
        model = GRAPHS / "models" / "tiny-flux2"
        models = f'Models(format: 1, models: {{"tiny-flux2": (family: Flux2, source: Folder("{model}"))}})'
        (self.folder / "models.ron").write_text(models)
        self.text = (GRAPHS / "text_to_image.ron").read_text()
        self.graph = self.folder / "graph.ron"
        self.graph.write_text(self.text)
        self.environment = dict(os.environ, RONDEL_CACHE_DIR=str(self.folder / "cache"), XDG_CACHE_HOME=folder,
                                XDG_CONFIG_HOME=folder, XDG_DATA_HOME=folder, LC_ALL="C.UTF-8", COLORTERM="truecolor",
                                TERM="xterm-256color")
        for name in ("TMUX", "TERM_PROGRAM", "NO_COLOR"):
            self.environment.pop(name, None)

    def edit(self):
        """Saves the graph with another default, as an editor does: beside it, and renamed."""
        self.n_edits += 1
        beside = self.folder / "graph.ron~"
        edited = self.text.replace("default: 7", f"default: {100 + self.n_edits}")
        assert edited != self.text, "the graph has no seed of 7 to edit"
        beside.write_text(edited)
        beside.rename(self.graph)
        return time.perf_counter()

    def watch(self, answers=b"\x1b[0n"):
        return Terminal([self.program, "watch", "graph.ron"], self.folder, self.environment, answers)
