package main

import (
	"strings"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/penstock/penstock/controllers/file"
	"github.com/penstock/penstock/controllers/translate"
	"github.com/penstock/penstock/proxy/snapshot"
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
			p, err := newProcess(flags)
			if err != nil {
				return err
			}
			s := &standalone{process: p, options: options, translator: translate.NewTranslator(p.filters)}
			watcher := file.Watcher{Dir: dir, Apply: s.apply}
			return p.run(c.Context(), options.Listeners, watcher.Run, s.ready)
		},
	}
	addDir(c, &dir)
	flags.add(c.Flags())
	meaning.add(c.Flags())
	return c
}

// standalone turns what is in files into what is served. One goroutine at a time uses it, but for ready.
type standalone struct {
	*process
	options    translate.Options
	translator *translate.Translator
	reported   map[string]bool
}

func (s *standalone) ready() (bool, string) {
	if s.gateway.Snapshot() == nil {
		return false, "the manifests have not been read yet"
	}
	return true, "ok"
}

func (s *standalone) apply(objects file.Objects, problems []file.Problem) {
	snap, statuses := s.translator.Translate(input(objects, s.options))
	setEndpoints(s.gateway.SetEndpoints, snap, objects)
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
	for st := range statuses.Values() {
		for _, c := range st.Conditions {
			if c.Status == metav1.ConditionFalse && s.news(seen, st.Kind, st.Namespace, st.Name, c.Type, c.Message) {
				s.log.Warn("object not in order", "kind", st.Kind, "namespace", st.Namespace, "name", st.Name,
					"condition", c.Type, "reason", c.Reason, "message", c.Message)
			}
		}
	}
	s.reported = seen
}

// news reports whether this was not said after the reading before, nor since, and notes it.
func (s *standalone) news(seen map[string]bool, said ...string) bool {
	key := strings.Join(said, "\x00")
	fresh := !s.reported[key] && !seen[key]
	seen[key] = true
	return fresh
}

// setEndpoints hands the endpoints of every cluster that stands for a Service to set.
func setEndpoints(set func(cluster string, endpoints []snapshot.Endpoint), snap *snapshot.Snapshot, o file.Objects) {
	slices := map[types.NamespacedName][]*discoveryv1.EndpointSlice{}
	for _, s := range o.Slices {
		service := types.NamespacedName{Namespace: s.Namespace, Name: s.Labels[discoveryv1.LabelServiceName]}
		slices[service] = append(slices[service], s)
	}
	services := map[types.NamespacedName]*corev1.Service{}
	for _, s := range o.Services {
		services[types.NamespacedName{Namespace: s.Namespace, Name: s.Name}] = s
	}
	for c := range snap.Clusters.Values() {
		if c.Host != "" {
			continue // the data plane resolves it
		}
		name := types.NamespacedName{Namespace: c.Origin.Namespace, Name: c.Origin.Name}
		set(c.Name, translate.Endpoints(c, services[name], slices[name]))
	}
}
