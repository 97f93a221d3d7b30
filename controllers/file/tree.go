package file

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/penstock/penstock/proxy/yield"
)

// tree is what manifests are read from.
type tree struct {
	files  []found     // manifests, in the order of their paths
	dirs   []found     // directories that hold them or could
	failed []*manifest // files and directories that cannot be read
	turns  *yield.Turns
}

// found is a file or directory, and what it was when it was found.
type found struct {
	path string
	info fs.FileInfo
}

// walk lists the manifests below root, or root itself if it is a file.
func walk(root string, turns *yield.Turns) *tree {
	t := &tree{turns: turns}
	t.visit(root, nil)
	return t
}

// visit adds path; above are the real paths of the directories that led to it, so that a circle of links ends.
func (t *tree) visit(path string, above []string) {
	t.turns.Next()
	info, err := os.Stat(path)
	switch {
	case err != nil:
		t.fail(path, err)
	case info.IsDir():
		t.visitDir(found{path, info}, above)
	case len(above) == 0 || isManifest(path):
		t.files = append(t.files, found{path, info})
	}
}

func (t *tree) visitDir(dir found, above []string) {
	target, err := filepath.EvalSymlinks(dir.path)
	if err != nil {
		t.fail(dir.path, err)
		return
	}
	if slices.Contains(above, target) {
		return
	}
	entries, err := os.ReadDir(dir.path)
	if err != nil {
		t.fail(dir.path, err)
		return
	}
	t.dirs = append(t.dirs, dir)
	above = append(slices.Clip(above), target)
	for _, entry := range entries {
		// Editors' temporary files, and a ConfigMap's ..data, which the entries beside it lead into.
		if !strings.HasPrefix(entry.Name(), ".") {
			t.visit(filepath.Join(dir.path, entry.Name()), above)
		}
	}
}

func (t *tree) fail(path string, err error) {
	t.failed = append(t.failed, unreadable(path, err))
}

func isManifest(path string) bool {
	switch filepath.Ext(path) {
	case ".yaml", ".yml", ".json":
		return true
	}
	return false
}
