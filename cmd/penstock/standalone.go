package main

import (
	"slices"
	"strings"
	"sync"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/penstock/penstock/controllers/file"
	"github.com/penstock/penstock/controllers/translate"
	"github.com/penstock/penstock/proxy/radix"
)

func standaloneCommand() *cobra.Command {
	var dir string
	var flags dataPlane
	meaning := translation{externalBackends: true}
	c := &cobra.Command{
		Use:   "standalone -f DIR",
		Short: "Serve the manifests in a directory, without a cluster, and follow changes",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			options, err := meaning.options()
			if err != nil {
				return err
			}
			p, err := newProcess(flags, options.AllowExternalBackends)
			if err != nil {
				return err
			}
			s := newStandalone(p, options)
			watcher := file.Watcher{Dir: dir, Apply: s.apply}
			return p.run(c.Context(), options.Listeners, watcher.Run, s.ready)
		},
	}
	addDir(c, &dir)
	flags.add(c.Flags())
	meaning.add(c.Flags())
	return c
}

// standalone turns what is in files into what is served. It is safe for concurrent use.
type standalone struct {
	*process
	mu         sync.Mutex // guards what follows
	translator *translate.Translator
	endpoints  endpoints
	statuses   *radix.Tree[translate.Status]
	reported   map[string]bool
}

func newStandalone(p *process, options translate.Options) *standalone {
	s := &standalone{process: p, translator: translate.NewTranslator(p.filters), endpoints: newEndpoints(p.gateway.SetEndpoints)}
	s.translator.Translate(translate.Input{Options: options}) // of nothing; from now on there are changes
	p.tokens.OnChange(s.review)
	return s
}

func (s *standalone) ready() (bool, string) {
	if s.gateway.Snapshot() == nil {
		return false, "the manifests have not been read yet"
	}
	return true, "ok"
}

// review says what has changed besides manifests.
func (s *standalone) review() {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, statuses := s.translator.Update(translate.Changes{Failing: s.tokens.Failing()})
	s.explain(statuses)
}

func (s *standalone) apply(changes file.Changes, problems []file.Problem) {
	s.mu.Lock()
	defer s.mu.Unlock()
	snap, statuses := s.translator.Update(translate.Changes{
		Routes: changes.Routes, Ingresses: changes.Ingresses, IngressClasses: changes.IngressClasses, Policies: changes.Policies, Services: changes.Services, Grants: changes.Grants, Secrets: changes.Secrets,
		ConfigMaps: changes.ConfigMaps, Namespaces: changes.Namespaces, Failing: s.tokens.Failing(),
	})
	// Endpoints first, so that the first request of a new route finds them.
	s.endpoints.follow(snap, changes)
	seen := map[string]bool{}
	if fault := s.translator.DefaultCertificateFault(); fault != "" && s.news(seen, fault) {
		s.log.Warn("the default certificate can't be used", "fault", fault)
	}
	for _, p := range problems {
		if s.news(seen, p.String()) {
			s.log.Warn("manifest not used", "problem", p.String())
		}
	}
	if now := s.gateway.Snapshot(); now == nil || now.Version != snap.Version {
		for _, p := range s.process.apply(snap) {
			s.log.Error("route can't be served", "route", p.RouteID, "error", p.Err)
		}
	}
	s.explain(statuses)
	s.reported = seen
}

// explain logs what statuses have against objects that those before did not.
func (s *standalone) explain(statuses *radix.Tree[translate.Status]) {
	for _, st := range s.statuses.Diff(statuses) {
		if st.New == nil {
			continue
		}
		for _, c := range st.New.Conditions {
			if c.Status == metav1.ConditionFalse && !says(st.Old, c) {
				s.log.Warn("object not in order", "kind", st.New.Kind, "namespace", st.New.Namespace, "name", st.New.Name,
					"condition", c.Type, "reason", c.Reason, "message", c.Message)
			}
		}
	}
	s.statuses = statuses
}

// says reports whether a status, which may be nil, has a condition with this message.
func says(st *translate.Status, c metav1.Condition) bool {
	return st != nil && slices.ContainsFunc(st.Conditions, func(old metav1.Condition) bool {
		return old.Type == c.Type && old.Status == c.Status && old.Message == c.Message
	})
}

// news reports whether this was not said after the reading before, nor since, and notes it.
func (s *standalone) news(seen map[string]bool, said ...string) bool {
	key := strings.Join(said, "\x00")
	fresh := !s.reported[key] && !seen[key]
	seen[key] = true
	return fresh
}
