package translate

import (
	"encoding/json"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/penstock/penstock/proxy/filter"
)

// fetches knows what can't be fetched, and which routes have a filter that does.
type fetches struct {
	// failing is Input.Failing.
	failing map[string]string
	users   dependents[string, *route]
}

func newFetches() *fetches { return &fetches{users: dependents[string, *route]{}} }

// update takes what can't be fetched now. It calls touch for each route for which that says something new.
func (f *fetches) update(failing map[string]string, touch func(*route)) {
	before := f.failing
	f.failing = failing
	for _, all := range []map[string]string{before, failing} {
		for id := range all {
			if before[id] == failing[id] {
				continue
			}
			for r := range f.users[id] {
				touch(r)
			}
		}
	}
}

// fetch says which of the things that a filter gets by itself it can't get. The rules serve: the filter knows what to do without.
func (j *job) fetch(subject string, d filter.Definition, config json.RawMessage, at *field.Path) {
	if d.Fetches == nil {
		return
	}
	for _, f := range d.Fetches(config, j.value) {
		j.fetched = append(j.fetched, f.ID)
		if why := j.fetches.failing[f.ID]; why != "" {
			j.failing = append(j.failing, notFetched(subject, at, f, why))
		}
	}
}
