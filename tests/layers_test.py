#!/usr/bin/env python3
"""The house keeps its rules: includes point down, headers stand alone, files stay small.

Every rule is a function from a tree to a list of faults. Each is tried twice: on the project, where it must find
nothing, and on a small bad tree made for it, where it must find exactly that fault, so that no rule can go blind.

    tests/layers_test.py            all of it (ctest runs this)
    tests/layers_test.py --list     prints the faults of the tree, and nothing else
"""

import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent

# Folder: the folders below it whose headers it may include, besides its own. docs/ARCHITECTURE.md draws it.
BELOW = {
    "base": [],
    "io": ["base"],
    "routing": ["base"],
    "tls": ["base"],
    "proxy/http": ["base"],
    "proxy/upstream": ["proxy/http", "io", "routing", "tls", "base"],
    "proxy/downstream": ["proxy/http", "io", "tls", "base"],
    "proxy": ["proxy/downstream", "proxy/upstream", "proxy/http", "io", "routing", "tls", "base"],
    "admin": ["proxy", "proxy/downstream", "proxy/upstream", "proxy/http", "io", "routing", "tls", "base"],
    "admin/press_api": ["admin", "proxy", "proxy/downstream", "proxy/http", "routing", "tls", "io", "base"],
}
# The roof: it joins everything, and nothing may include it.
ROOF = "proxy/main.cc"
FOLDERS = sorted(BELOW)

LONGEST = 500  # lines of a file
# Longer files, each with its reason.
LONG_FILES = {
    "tests/proxy/downstream/http1_stream_test.cc": "one table of what a stream does",
}

# Files in which the words `new` or `delete` stand for themselves, each with its reason. `= delete`, `operator new`
# and comments are no matter here.
OWN_MEMORY = {
    "base/chunk.cc": "the pool's free list is linked through the chunks themselves",
    "base/recycled.cc": "lists of raw memory that a thread uses again",
    "proxy/http/http2_memory.cc": "what a C library asks for has its size before it",
    "proxy/downstream/downstream.cc": "connections are linked intrusively and end in the list's disposer",
    "routing/json_reader.cc": "the tree is placed into the reader's memory, which is given back whole",
}


def sources(root, *suffixes):
    for folder in FOLDERS:
        for path in sorted((root / folder).glob("*")):
            if path.suffix in suffixes:
                yield path


def name_of(root, path):
    return path.relative_to(root).as_posix()


def code_of(text):
    """The text with comments and literals blanked, line ends kept."""
    pattern = re.compile(
        r'//[^\n]*|/\*.*?\*/|R"(?P<d>[^()\\ ]{0,16})\(.*?\)(?P=d)"|"(?:\\.|[^"\\\n])*"|(?<![0-9A-Za-z_])\'(?:\\.|[^\'\\\n])+\'',
        re.DOTALL,
    )
    return pattern.sub(lambda found: re.sub(r"[^\n]", " ", found.group()), text)


def includes_of(text):
    """(line number, name) of each #include "...", also of those that are commented out by nothing."""
    for number, line in enumerate(text.splitlines(), 1):
        found = re.match(r'\s*#\s*include\s*"([^"]+)"', line)
        if found:
            yield number, found.group(1)


def floors(root):
    """Includes point down only, from the root, to files that exist."""
    for path in sources(root, ".h", ".cc"):
        name = name_of(root, path)
        folder = os.path.dirname(name)
        for number, included in includes_of(path.read_text()):
            target = os.path.dirname(included)
            if not (root / included).is_file():
                yield f"{name}:{number}: \"{included}\" is no file counted from the root"
            elif target not in BELOW:
                yield f"{name}:{number}: \"{included}\" is in no folder of the house"
            elif name != ROOF and target != folder and target not in BELOW[folder]:
                yield f"{name}:{number}: {folder} may not include {target}, which does not lie below it"


def header_form(root):
    """A header begins with its purpose and has #pragma once."""
    for path in sources(root, ".h"):
        lines = path.read_text().splitlines()
        name = name_of(root, path)
        if not lines or not re.match(r"// \S", lines[0]):
            yield f"{name}:1: a header begins with a comment that tells its purpose"
        if "#pragma once" not in lines:
            yield f"{name}:1: #pragma once is missing"


def own_header_first(root):
    """x.cc includes x.h before anything else, so that every build proves that x.h compiles alone."""
    for path in sources(root, ".cc"):
        header = path.with_suffix(".h")
        if not header.is_file():
            continue
        found = re.search(r'^\s*#\s*include\s*([<"][^>"]+[>"])', path.read_text(), re.MULTILINE)
        own = f'"{name_of(root, header)}"'
        if not found or found.group(1) != own:
            yield f"{name_of(root, path)}: its first include is {own}"


def headers_alone(root):
    """Headers without a .cc of their own compile alone too; the others are proven by own_header_first."""
    compiler = os.environ.get("CXX", "c++")
    lonely = [path for path in sources(root, ".h") if not path.with_suffix(".cc").is_file()]

    def compiles(path):
        command = [compiler, "-std=c++20", "-fsyntax-only", "-Wall", "-Wextra", f"-I{root}", "-x", "c++", "-"]
        return subprocess.run(
            command, input=f'#include "{name_of(root, path)}"\n', capture_output=True, text=True, check=False
        )

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for path, done in zip(lonely, pool.map(compiles, lonely)):
            if done.returncode != 0:
                first = next((line for line in done.stderr.splitlines() if "error" in line), done.stderr)
                yield f"{name_of(root, path)}: does not compile alone: {first}"


def file_size(root):
    for path in all_files(root, {".h", ".cc", ".py", ".sh"}):
        name = name_of(root, path)
        lines = path.read_text().count("\n")
        if lines > LONGEST and name not in LONG_FILES:
            yield f"{name}: {lines} lines; {LONGEST} are enough, or it belongs into LONG_FILES with its reason"
        if lines <= LONGEST and name in LONG_FILES:
            yield f"{name}: {lines} lines; it needs no place in LONG_FILES any more"


def own_memory(root):
    """Nobody says new or delete: values, members and unique_ptr own things."""
    for path in sources(root, ".h", ".cc"):
        name = name_of(root, path)
        if name in OWN_MEMORY:
            continue
        for number, line in enumerate(code_of(path.read_text()).splitlines(), 1):
            if line.lstrip().startswith("#"):
                continue  # #include <new>
            # A private constructor keeps std::make_unique out; the owner is named all the same.
            line = re.sub(r"=\s*delete\b|operator\s+(new|delete)\b|unique_ptr<.*>\s*\w*\(new\b", " ", line)
            if re.search(r"\b(new|delete)\b", line):
                yield f"{name}:{number}: new or delete; who owns it says so with a type (std::make_unique)"


def unfinished(root):
    """No unfinished business, in any file of ours."""
    words = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b")
    for path in all_files(root, {".h", ".cc", ".py", ".sh", ".cmake", ".txt", ""}):
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            found = words.search(line)
            if found:
                yield f"{name_of(root, path)}:{number}: \"{found.group()}\": finish it, or file it"


def scripts(root):
    """Shell scripts are read by bash without complaint, and by shellcheck where it is installed."""
    for path in all_files(root, {".sh", ""}):
        first = path.read_text(errors="replace").split("\n", 1)[0]
        if path.suffix != ".sh" and not re.match(r"#!.*\bbash\b", first):
            continue
        commands = [["bash", "-n", str(path)]]
        if shutil.which("shellcheck"):
            commands.append(["shellcheck", "--external-sources", "--shell=bash", str(path)])
        for command in commands:
            done = subprocess.run(command, capture_output=True, text=True, cwd=root, check=False)
            if done.returncode != 0:
                yield f"{name_of(root, path)}: {command[0]}: {(done.stdout + done.stderr).strip()}"
                break


def formatting(root):
    """clang-format 14 (Debian 12's) has nothing to change; other versions disagree with it and are not asked."""
    tool = shutil.which("clang-format-14")
    if tool is None:
        print("layers_test: clang-format-14 is not installed: the formatting was not checked", file=sys.stderr)
        return
    files = [str(path) for path in all_files(root, {".h", ".cc"})]
    for start in range(0, len(files), 50):
        done = subprocess.run(
            [tool, "--dry-run", "-Werror", *files[start : start + 50]], capture_output=True, text=True, cwd=root, check=False
        )
        for line in done.stderr.splitlines():
            found = re.match(r"(\S+?):(\d+):\d+: error: ", line)
            if found:
                yield f"{os.path.relpath(found.group(1), root)}:{found.group(2)}: clang-format would change it"
        if done.returncode != 0 and "error: " not in done.stderr:
            yield f"clang-format failed: {done.stderr.strip()}"


def all_files(root, suffixes):
    """Every file of ours with one of the suffixes ("": none), in the folders of the house and around it."""
    for folder, below, names in os.walk(root):
        here = pathlib.Path(folder)
        below[:] = sorted(name for name in below if name not in {".git", "build", "__pycache__", "node_modules", "corpus"})
        for name in sorted(names):
            path = here / name
            if path.suffix in suffixes and not name.startswith(".") and path.is_file():
                yield path


RULES = [
    floors,
    header_form,
    own_header_first,
    headers_alone,
    file_size,
    own_memory,
    unfinished,
    scripts,
    formatting,
]


class TheTree(unittest.TestCase):
    """One test a rule, made below."""


def make_test(rule):
    def test(self):
        faults = list(rule(ROOT))
        if faults:
            self.fail("\n  " + "\n  ".join(faults))

    test.__doc__ = rule.__doc__
    return test


for each in RULES:
    setattr(TheTree, f"test_{each.__name__}", make_test(each))


class EveryRuleCanFail(unittest.TestCase):
    """A bad tree for each rule, and a good one beside it."""

    def tree(self, files):
        root = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        shutil.copy(ROOT / ".clang-format", root)
        for name, text in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return root

    def expect(self, rule, files, *faults):
        """As many faults as given, each beginning with the given words."""
        found = list(rule(self.tree(files)))
        self.assertEqual(len(found), len(faults), found)
        for got, wanted in zip(found, faults):
            self.assertTrue(got.startswith(wanted), f"{got!r} instead of {wanted!r}")

    def test_includes_that_point_up_or_aside(self):
        self.expect(
            floors,
            {
                "base/a.h": '#include "io/b.h"\n',
                "io/b.h": '#include "base/a.h"\n#include "tls/c.h"\n',
                "tls/c.h": "",
                "proxy/http/d.h": '#include "io/b.h"\n',
                "proxy/downstream/e.cc": '#include "proxy/upstream/f.h"\n#include "routing/g.h"\n',
                "proxy/upstream/f.h": '#include "routing/g.h"\n#include "proxy/http/d.h"\n',
                "routing/g.h": "",
                "proxy/h.cc": '  #  include "admin/i.h"\n',
                "admin/i.h": '#include "proxy/upstream/f.h"\n',
            },
            "base/a.h:1: base may not include io",
            "io/b.h:2: io may not include tls",
            "proxy/h.cc:1: proxy may not include admin",
            "proxy/downstream/e.cc:1: proxy/downstream may not include proxy/upstream",
            "proxy/downstream/e.cc:2: proxy/downstream may not include routing",
            "proxy/http/d.h:1: proxy/http may not include io",
        )

    def test_the_roof_may_include_all(self):
        self.expect(floors, {"proxy/main.cc": '#include "admin/a.h"\n', "admin/a.h": ""})

    def test_includes_that_lead_nowhere(self):
        self.expect(
            floors,
            {"base/a.cc": '#include "a.h"\n#include "tests/b.h"\n', "base/a.h": "", "tests/b.h": ""},
            'base/a.cc:1: "a.h" is no file',
            'base/a.cc:2: "tests/b.h" is in no folder',
        )

    def test_headers_without_purpose_or_guard(self):
        self.expect(
            header_form,
            {"base/good.h": "// What it is.\n#pragma once\n", "base/a.h": "#pragma once\n", "base/b.h": "// What.\n"},
            "base/a.h:1: a header begins with a comment",
            "base/b.h:1: #pragma once is missing",
        )

    def test_own_header_not_first(self):
        self.expect(
            own_header_first,
            {
                "base/a.cc": '#include <string>\n#include "base/a.h"\n',
                "base/a.h": "",
                "base/b.cc": '// Why.\n#include "base/b.h"\n#include <string>\n',
                "base/b.h": "",
                "base/c.cc": "#include <string>\n",
            },
            'base/a.cc: its first include is "base/a.h"',
        )

    def test_headers_that_need_others(self):
        self.expect(
            headers_alone,
            {
                "base/a.h": "#pragma once\ninline std::string a();\n",
                "base/b.h": "#pragma once\n#include <string>\ninline std::string b() { return {}; }\n",
            },
            "base/a.h: does not compile alone",
        )

    def test_long_files(self):
        self.expect(
            file_size,
            {"base/a.cc": "\n" * 500, "base/b.cc": "\n" * 501, "tests/c.py": "\n" * 501},
            "base/b.cc: 501 lines",
            "tests/c.py: 501 lines",
        )

    def test_memory_of_ones_own(self):
        self.expect(
            own_memory,
            {
                "base/a.cc": "#include <new>\n"
                "// a new one, and delete it\n"
                'const char* said = "new \\" delete";\n'
                "struct A { A(const A&) = delete; static void* operator new(unsigned long); };\n"
                "int renewed = 1'000; char quote = '\"';\n"
                "int* a = new int;\n"
                "std::unique_ptr<A> c(new A);\n"
                "void b() { /* delete */ delete a; }\n"
            },
            "base/a.cc:6: new or delete",
            "base/a.cc:8: new or delete",
        )

    def test_unfinished_business(self):
        self.expect(
            unfinished,
            {"base/a.cc": "// TO" "DO: later\n// today, methods\n", "tools/b": "# FIX" "ME\n"},
            "base/a.cc:1:",
            "tools/b:1:",
        )

    def test_scripts_that_bash_cannot_read(self):
        self.expect(
            scripts,
            {
                "tools/a": "#!/usr/bin/env bash\nif true; then\n",
                "tools/b.sh": "f() { (\n",
                "tools/c": "#!/usr/bin/env bash\ntrue\n",
                "tools/d": "#!/usr/bin/env python3\nif True:\n",
            },
            "tools/a: bash:",
            "tools/b.sh: bash:",
        )

    @unittest.skipUnless(shutil.which("clang-format-14"), "needs clang-format-14")
    def test_formatting_that_differs(self):
        self.expect(
            formatting,
            {"base/a.cc": "int  a;\n", "base/b.cc": "int b;\n"},
            "base/a.cc:1: clang-format would change it",
        )

    def test_every_rule_is_tried(self):
        """A rule without a bad tree would be a rule that nobody has seen fail."""
        text = pathlib.Path(__file__).read_text()
        for rule in RULES:
            self.assertRegex(text, rf"self\.expect\(\s*{rule.__name__}\b", f"{rule.__name__} has no bad tree")


if __name__ == "__main__":
    if sys.argv[1:] == ["--list"]:
        all_faults = [fault for rule in RULES for fault in rule(ROOT)]
        print("\n".join(all_faults))
        sys.exit(1 if all_faults else 0)
    unittest.main(verbosity=2)
