package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/penstock/penstock/api/v1alpha1"
	"github.com/penstock/penstock/controllers/file"
	"github.com/penstock/penstock/controllers/translate"
	"github.com/penstock/penstock/proxy/filter/builtin"
	"github.com/penstock/penstock/proxy/radix"
	"github.com/penstock/penstock/proxy/snapshot"
)

func input(o file.Objects, options translate.Options) translate.Input {
	return translate.Input{
		Routes: o.Routes, Ingresses: o.Ingresses, IngressClasses: o.IngressClasses, Policies: o.Policies, Services: o.Services, Grants: o.Grants, Secrets: o.Secrets,
		ConfigMaps: o.ConfigMaps, Namespaces: o.Namespaces, Options: options,
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
			read, err := readManifests(dir, meaning)
			if err != nil {
				return err
			}
			mistakes := 0
			for _, p := range read.problems {
				fmt.Fprintln(c.OutOrStdout(), p)
				mistakes++
			}
			mistakes += printFalse(c.OutOrStdout(), read.statuses)
			if read.fault != "" {
				fmt.Fprintln(c.OutOrStdout(), "--default-certificate: "+read.fault)
				mistakes++
			}
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
func printFalse(w io.Writer, statuses *radix.Tree[translate.Status]) (n int) {
	for s := range statuses.Values() {
		for _, c := range s.Conditions {
			if c.Status == metav1.ConditionFalse && c.Type != v1alpha1.ConditionProgrammed {
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
			read, err := readManifests(dir, meaning)
			if err != nil {
				return err
			}
			for _, p := range read.problems {
				fmt.Fprintln(c.ErrOrStderr(), p)
			}
			out, err := yaml.Marshal(struct {
				Snapshot *snapshot.Snapshot            `json:"snapshot"`
				Statuses *radix.Tree[translate.Status] `json:"statuses"`
			}{read.snapshot, read.statuses})
			if err != nil {
				return err
			}
			if _, err := c.OutOrStdout().Write(out); err != nil {
				return err
			}
			if len(read.problems) > 0 {
				return errors.New("some manifests are not used")
			}
			return nil
		},
	}
	addDir(c, &dir)
	meaning.add(c.Flags())
	return c
}

// reading is what manifests give.
type reading struct {
	snapshot *snapshot.Snapshot
	statuses *radix.Tree[translate.Status]
	problems []file.Problem
	// fault is that of the default certificate.
	fault string
}

func readManifests(dir string, meaning translation) (out reading, err error) {
	options, err := meaning.options()
	if err != nil {
		return out, err
	}
	var objects file.Objects
	objects, out.problems = file.Load(dir)
	t := translate.NewTranslator(builtin.Registry(builtin.Deps{}))
	out.snapshot, out.statuses = t.Translate(input(objects, options))
	out.fault = t.DefaultCertificateFault()
	return out, nil
}

func addDir(c *cobra.Command, dir *string) {
	c.Flags().StringVarP(dir, "filename", "f", "", "directory with manifests, read with all below it, or one file")
	if err := c.MarkFlagRequired("filename"); err != nil {
		panic(err) // the flag is defined in the line above
	}
}
