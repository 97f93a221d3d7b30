package docs

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	commandLines = regexp.MustCompile(`(?m)(?:^|bin/|\$ )penstock ([^\n]*)`)
	flagWords    = regexp.MustCompile(`(?:^|[ =])(--?[a-z][a-z-]*)`)
	flagSpans    = regexp.MustCompile("^--([a-z][a-z-]*)(?:[= ].*)?$")
	helpFlags    = regexp.MustCompile(`(?m)^ +(?:(-[a-z]), |    )(--[a-z-]+)`)
	makeLines    = regexp.MustCompile(`(?m)(?:^|&& )make((?: +[a-z0-9-]+)*)`)
	makeTargets  = regexp.MustCompile(`(?m)^([a-z0-9-]+):`)
)

// flags of each command, by its name.
type flags map[string]map[string]bool

// knownFlags asks the real command for help.
func knownFlags(t *testing.T) flags {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "penstock")
	if out, err := exec.Command("go", "build", "-o", binary, root+"/cmd/penstock").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	all := flags{}
	for _, command := range []string{"serve", "standalone", "validate", "translate"} {
		help, err := exec.Command(binary, command, "--help").CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", command, err, help)
		}
		all[command] = map[string]bool{}
		for _, f := range helpFlags.FindAllStringSubmatch(string(help), -1) {
			all[command][f[1]], all[command][f[2]] = true, true
		}
	}
	return all
}

// check says what is wrong with the arguments of penstock.
func (f flags) check(arguments string) error {
	command, rest, _ := strings.Cut(arguments, " ")
	known, ok := f[command]
	if !ok {
		return fmt.Errorf("penstock has no command %q", command)
	}
	for _, flag := range flagWords.FindAllStringSubmatch(rest, -1) {
		if !known[flag[1]] {
			return fmt.Errorf("penstock %s has no flag %s", command, flag[1])
		}
	}
	return nil
}

// isFlag reports whether any command has it.
func (f flags) isFlag(name string) bool {
	for _, known := range f {
		if known[name] {
			return true
		}
	}
	return false
}

// shells are the texts of commands: blocks and code spans. Scripts that start the binary count.
func shells(t *testing.T) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	for _, d := range documents(t) {
		for _, b := range d.blocks {
			if b.language == "sh" {
				all[d.path] = append(all[d.path], b.text)
			}
		}
		for _, span := range spans.FindAllStringSubmatch(d.prose, -1) {
			all[d.path] = append(all[d.path], span[1])
		}
	}
	script, err := os.ReadFile(filepath.Join(root, "hack/run.sh"))
	if err != nil {
		t.Fatal(err)
	}
	all["hack/run.sh"] = []string{string(script)}
	return all
}

func TestCommandsAndFlagsThatAreNamedExist(t *testing.T) {
	known, found := knownFlags(t), 0
	for name, texts := range shells(t) {
		for _, text := range texts {
			for _, line := range commandLines.FindAllStringSubmatch(text, -1) {
				found++
				if err := known.check(line[1]); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
			if span := flagSpans.FindStringSubmatch(text); span != nil && !known.isFlag("--"+span[1]) {
				t.Errorf("%s: no command has a flag --%s", name, span[1])
			}
		}
	}
	if found < len(known) {
		t.Errorf("%d commands were found in the documents, less than there are", found)
	}
}

func TestEveryCommandIsInTheREADME(t *testing.T) {
	readme := strings.Join(shells(t)["README.md"], "\n")
	for command := range knownFlags(t) {
		if !strings.Contains(readme, "penstock "+command) {
			t.Errorf("README.md does not name penstock %s", command)
		}
	}
}

func TestTargetsOfMakeThatAreNamedExist(t *testing.T) {
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	targets := map[string]bool{}
	for _, target := range makeTargets.FindAllStringSubmatch(string(makefile), -1) {
		targets[target[1]] = true
	}
	named := map[string]bool{}
	for name, texts := range shells(t) {
		for _, text := range texts {
			for _, line := range makeLines.FindAllStringSubmatch(text, -1) {
				for target := range strings.FieldsSeq(line[1]) {
					named[target] = true
					if !targets[target] {
						t.Errorf("%s: make has no target %s", name, target)
					}
				}
			}
		}
	}
	for _, target := range []string{"run", "test"} {
		if !named[target] {
			t.Errorf("no document names make %s", target)
		}
	}
}
