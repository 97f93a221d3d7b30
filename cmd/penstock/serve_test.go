//go:build !quickstart

package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

func TestNamespacesAreNames(t *testing.T) {
	for _, tt := range []struct {
		name, flag string
		want       []string // nil: all
		refused    string
	}{
		{name: "all by default"},
		{name: "one", flag: "shop", want: []string{"shop"}},
		{name: "several", flag: "shop,people", want: []string{"shop", "people"}},
		{name: "a trailing comma does not mean all", flag: "shop,", refused: `--namespaces: "" is no name of a namespace`},
		{name: "a pattern is no name", flag: "team-*", refused: `--namespaces: "team-*" is no name of a namespace`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var control controlPlane
			f := pflag.NewFlagSet("serve", pflag.ContinueOnError)
			control.add(f)
			if tt.flag != "" {
				if err := f.Parse([]string{"--namespaces=" + tt.flag}); err != nil {
					t.Fatal(err)
				}
			}
			got, err := control.watched()
			switch {
			case tt.refused != "":
				if err == nil || !strings.Contains(err.Error(), tt.refused) {
					t.Errorf("error %v, want %q", err, tt.refused)
				}
			case err != nil || !slices.Equal(got, tt.want):
				t.Errorf("%v, error %v, want %v", got, err, tt.want)
			}
		})
	}
}
