package file

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	// quiet is how long nothing must change before the manifests are read: an editor's save is several changes.
	quiet = 50 * time.Millisecond
	// patience bounds the wait for quiet, so that one busy file does not hold up the others.
	patience = time.Second
	// pollInterval is how often the manifests are read while they cannot be watched.
	pollInterval = time.Second
)

// Watcher follows the manifests in a directory.
type Watcher struct {
	// Dir is the directory, or a single file; see Load.
	Dir string
	// Apply takes what has changed since the reading before, or since there was nothing, after each reading, even if that is
	// nothing. An object whose new text is invalid keeps its last good version; where a document does not say which object
	// it is, or a file or directory cannot be read, every object last read from there is kept. The problems, all that there
	// are, say so. Apply is called from Run, one call at a time.
	Apply func(Changes, []Problem)
}

// Run reads the manifests, calls Apply, and does so again after each change until ctx ends; then it returns nil. It fails
// only if Dir cannot be watched at the start. If that happens later, it reads every second instead, and a Problem says so.
//
// It sees writes, editors' renames over a file, new and removed directories, and a ConfigMap volume's swap of ..data.
// It does not see changes behind a link to a single file elsewhere.
func (w *Watcher) Run(ctx context.Context) error {
	var reader reader
	var notify *watching
	defer func() { notify.close() }()
	keeper := newKeeper()
	for first := true; ctx.Err() == nil; first = false {
		at, tree := time.Now(), walk(w.Dir, &reader.turns)
		var err error
		if !notify.covers(tree) {
			notify.close()
			if notify, err = watch(w.Dir, tree); first && err != nil {
				return fmt.Errorf("watch %s: %w", w.Dir, err)
			}
			// Once more, watched now: a later change is read, or wakes the next turn, or both.
			at, tree = time.Now(), walk(w.Dir, &reader.turns)
		}
		changes, problems := keeper.merge(reader.readTree(tree, at))
		if err != nil {
			problems = append(problems, Problem{File: w.Dir, Message: fmt.Sprintf("read every second, since it cannot be watched: %v", err)})
		}
		reader.turns.Next()
		w.Apply(changes, problems)
		switch {
		case err != nil:
			sleep(ctx, pollInterval)
		case notify.covers(tree):
			notify.wait(ctx)
		default:
			sleep(ctx, quiet) // a directory came before it was watched
		}
	}
	return nil
}

// watching tells that a tree of manifests may have changed. It is kept as long as the directories are the same, and not made anew for
// each change: the kernel lets its end take milliseconds, and the processor that waits for that serves nothing. Nil watches nothing.
type watching struct {
	watcher *fsnotify.Watcher
	root    string
	dirs    []found         // of the tree
	paths   map[string]bool // of them and of the directory above, absolute
	// lost says that a directory may not be watched any more, even if what is in its place looks the same.
	lost bool
}

// watch watches every directory of a tree that was found at dir, and the one above it, in which dir itself may be replaced.
func watch(dir string, tree *tree) (*watching, error) {
	root, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	notify, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, err
	}
	w := &watching{watcher: notify, root: root, dirs: tree.dirs, paths: map[string]bool{}}
	if err := w.add(); err != nil {
		return nil, errors.Join(err, notify.Close())
	}
	return w, nil
}

func (w *watching) add() error {
	above := filepath.Dir(w.root)
	if err := w.watcher.Add(above); err != nil && !errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%s: %w", above, err)
	}
	w.paths[above] = true
	for _, dir := range w.dirs {
		path, err := filepath.Abs(dir.path)
		if err != nil {
			return err
		}
		// What is gone by now has changed the directory above it, which is watched.
		if err := w.watcher.Add(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s: %w", dir.path, err)
		}
		w.paths[path] = true
	}
	return nil
}

func (w *watching) close() {
	if w != nil {
		w.watcher.Close() //nolint:errcheck // nothing was written
	}
}

// covers reports whether the directories of a tree are those that are watched.
func (w *watching) covers(t *tree) bool {
	return w != nil && !w.lost && slices.EqualFunc(w.dirs, t.dirs, func(a, b found) bool {
		return a.path == b.path && os.SameFile(a.info, b.info)
	})
}

// concerns says whether a change of name may change the manifests. The target of a link to a single file may be
// anything beside it.
func (w *watching) concerns(name string) bool {
	file := len(w.dirs) == 0
	return file || w.paths[name] || strings.HasPrefix(name, w.root+string(filepath.Separator))
}

// wait returns once something has changed and then nothing more for a while, or ctx has ended.
func (w *watching) wait(ctx context.Context) {
	var settled, late <-chan time.Time
	for {
		select {
		case event := <-w.watcher.Events:
			if !w.concerns(event.Name) {
				continue
			}
			w.lost = w.lost || w.paths[event.Name] && event.Has(fsnotify.Remove|fsnotify.Rename)
			settled = time.After(quiet)
			if late == nil {
				late = time.After(patience)
			}
		case <-w.watcher.Errors: //nolint:errcheck // the queue ran over and changes are lost: time to read, as after a change
			w.lost = true
			return
		case <-settled:
			return
		case <-late:
			return
		case <-ctx.Done():
			return
		}
	}
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
