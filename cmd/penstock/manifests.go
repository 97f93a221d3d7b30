package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"github.com/spf13/cobra"

	"github.com/penstock/penstock/controllers/file"
	"github.com/penstock/penstock/controllers/translate"
	"github.com/penstock/penstock/proxy/filter/builtin"
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
	for _, p := range problems {
		s.report(seen, slog.LevelWarn, "manifest not used", "problem", p.String())
	}
	if now := s.gateway.Snapshot(); now == nil || now.Version != snap.Version {
		for _, p := range s.process.apply(snap) {
			s.report(seen, slog.LevelError, "route can't be served", "route", p.RouteID, "error", p.Err.Error())
		}
	}
	for _, st := range statuses {
		for _, c := range st.Conditions {
			if c.Status == metav1.ConditionFalse {
				s.report(seen, slog.LevelWarn, "object not in order", "kind", st.Kind, "namespace", st.Namespace, "name", st.Name,
					"condition", c.Type, "reason", c.Reason, "message", c.Message)
			}
		}
	}
	s.reported = seen
}

// report logs what was not said after the reading before.
func (s *standalone) report(seen map[string]bool, level slog.Level, message string, args ...any) {
	key := fmt.Sprint(append([]any{message}, args...)...)
	if !s.reported[key] && !seen[key] {
		s.log.Log(context.Background(), level, message, args...)
	}
	seen[key] = true
}

func input(o file.Objects, options translate.Options) translate.Input {
	return translate.Input{Routes: o.Routes, Policies: o.Policies, Services: o.Services, Grants: o.Grants, Options: options}
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
	for _, c := range snap.Clusters {
		if c.Host != "" {
			continue // the data plane resolves it
		}
		name := types.NamespacedName{Namespace: c.Origin.Namespace, Name: c.Origin.Name}
		set(c.Name, translate.Endpoints(c, services[name], slices[name]))
	}
}

func validateCommand() *cobra.Command {
	var dir string
	var meaning translation
	c := &cobra.Command{
		Use:   "validate -f DIR",
		Short: "Check manifests as the API server and the controller would",
		Long: "Check manifests as the API server and the controller would. It prints a line for each mistake, with file, object and field, " +
			"and exits with status 1 if there is one.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			_, statuses, problems, err := read(dir, meaning)
			if err != nil {
				return err
			}
			mistakes := 0
			for _, p := range problems {
				fmt.Fprintln(c.OutOrStdout(), p)
				mistakes++
			}
			mistakes += printFalse(c.OutOrStdout(), statuses)
			if mistakes > 0 {
				return fmt.Errorf("%d mistakes in %s", mistakes, dir)
			}
			return nil
		},
	}
	addDir(c, &dir)
	meaning.add(c.Flags())
	return c
}

// printFalse prints the conditions that a user has to act on, and counts them. Programmed follows from the others.
func printFalse(w io.Writer, statuses []*translate.Status) (n int) {
	for _, s := range statuses {
		for _, c := range s.Conditions {
			if c.Status == metav1.ConditionFalse && c.Type != "Programmed" {
				fmt.Fprintf(w, "%s %s/%s: %s=False, %s: %s\n", s.Kind, s.Namespace, s.Name, c.Type, c.Reason, c.Message)
				n++
			}
		}
	}
	return n
}

func translateCommand() *cobra.Command {
	var dir string
	var meaning translation
	c := &cobra.Command{
		Use:   "translate -f DIR",
		Short: "Print the snapshot and the status that manifests give, as YAML",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			snap, statuses, problems, err := read(dir, meaning)
			if err != nil {
				return err
			}
			for _, p := range problems {
				fmt.Fprintln(c.ErrOrStderr(), p)
			}
			out, err := yaml.Marshal(struct {
				Snapshot *snapshot.Snapshot  `json:"snapshot"`
				Statuses []*translate.Status `json:"statuses"`
			}{snap, statuses})
			if err != nil {
				return err
			}
			if _, err := c.OutOrStdout().Write(out); err != nil {
				return err
			}
			if len(problems) > 0 {
				return errors.New("some manifests are not used")
			}
			return nil
		},
	}
	addDir(c, &dir)
	meaning.add(c.Flags())
	return c
}

func read(dir string, meaning translation) (*snapshot.Snapshot, []*translate.Status, []file.Problem, error) {
	options, err := meaning.options()
	if err != nil {
		return nil, nil, nil, err
	}
	objects, problems := file.Load(dir)
	snap, statuses := translate.Translate(input(objects, options), builtin.Registry(builtin.Deps{}))
	return snap, statuses, problems, nil
}

func addDir(c *cobra.Command, dir *string) {
	c.Flags().StringVarP(dir, "filename", "f", "", "directory with manifests, read with all below it, or one file")
	if err := c.MarkFlagRequired("filename"); err != nil {
		panic(err) // the flag is defined in the line above
	}
}
