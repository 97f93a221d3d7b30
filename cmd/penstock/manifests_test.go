package main

import (
	"bytes"
	"encoding/base64"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/penstock/penstock/test/testcert"
)

const securedRoute = `apiVersion: gateway.penstock.io/v1alpha1
kind: GatewayRoute
metadata: {name: shop}
spec:
  hostnames: [shop.example.com]
  tls: {secretName: shop}
  rules:
  - filters: {directResponse: {statusCode: 204}}
`

// secretManifest is a Secret named shop, in default.
func secretManifest(t *testing.T, data map[string][]byte) string {
	t.Helper()
	s := &corev1.Secret{Type: corev1.SecretTypeTLS, Data: data}
	s.APIVersion, s.Kind, s.Name = "v1", "Secret", "shop"
	text, err := yaml.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// execute runs a command over manifests, with their default certificate, and returns what it prints.
func execute(t *testing.T, c *cobra.Command, manifests ...string) (string, error) {
	t.Helper()
	return executeWith(t, c, "--default-certificate=default/shop", manifests...)
}

// executeWith runs a command over manifests, with a flag, and returns what it prints.
func executeWith(t *testing.T, c *cobra.Command, flag string, manifests ...string) (string, error) {
	t.Helper()
	path := writeFile(t, strings.Join(manifests, "---\n"))
	var out bytes.Buffer
	c.SetOut(&out)
	c.SetErr(io.Discard)
	c.SetArgs([]string{"-f", path, flag})
	err := c.Execute()
	return out.String(), err
}

// writeFile returns the path of a file with this text.
func writeFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestTranslateShowsThatAValueIsThereAndNotWhatItIs(t *testing.T) {
	data := testcert.Data("shop", "shop.example.com")
	out, err := execute(t, translateCommand(), securedRoute, secretManifest(t, data))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"host: shop.example.com", `host: ""`, "[redacted]", "reason: ResolvedRefs"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %s in\n%s", want, out)
		}
	}
	for key, value := range data {
		line := strings.Split(string(value), "\n")[1]
		if strings.Contains(out, line) || strings.Contains(out, base64.StdEncoding.EncodeToString(value)) {
			t.Errorf("the value of %s is shown:\n%s", key, out)
		}
	}
}

func TestValidateJudgesCertificates(t *testing.T) {
	sound, other := testcert.Data("shop", "shop.example.com"), testcert.Data("other")
	for _, tt := range []struct{ name, secret, want string }{
		{"sound", secretManifest(t, sound), ""},
		{"missing", "", "InvalidCertificateRef: Secret default/shop not found."},
		{"missing, and the default one as well", "", "--default-certificate: Secret default/shop not found."},
		{
			"with the key of another",
			secretManifest(t, map[string][]byte{corev1.TLSCertKey: sound[corev1.TLSCertKey], corev1.TLSPrivateKeyKey: other[corev1.TLSPrivateKeyKey]}),
			"InvalidCertificateRef: Secret default/shop holds no usable certificate: private key does not match public key.",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out, err := execute(t, validateCommand(), securedRoute, tt.secret)
			if (err == nil) != (tt.want == "") || !strings.Contains(out, tt.want) {
				t.Errorf("error %v, printed %q, want %q", err, out, tt.want)
			}
		})
	}
}

const permissions = `permissions:
- hostnames: [shop.example.com]
  namespaces: {selector: {matchLabels: {team: shop}}}
`

const answeringRoute = `apiVersion: gateway.penstock.io/v1alpha1
kind: GatewayRoute
metadata: {name: shop, namespace: shop}
spec:
  hostnames: [shop.example.com]
  rules:
  - filters: {directResponse: {statusCode: 204}}
`

func TestValidateHeedsHostPermissions(t *testing.T) {
	namespace := func(team string) string {
		return "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {team: " + team + "}}\n"
	}
	for _, tt := range []struct{ name, permissions, namespace, want string }{
		{"the label is there", permissions, namespace("shop"), ""},
		{"another label", permissions, namespace("people"), "Accepted=False, HostNotPermitted: This installation does not permit namespace shop to claim"},
		{"the Namespace is not among the manifests", permissions, "", "namespace shop, whose labels are not known, to claim shop.example.com."},
		{
			"by the label that every Namespace has", strings.Replace(permissions, "team: shop", "kubernetes.io/metadata.name: shop", 1),
			namespace("people"), "",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out, err := executeWith(t, validateCommand(), "--host-permissions="+writeFile(t, tt.permissions), answeringRoute, tt.namespace)
			if (err == nil) != (tt.want == "") || !strings.Contains(out, tt.want) {
				t.Errorf("error %v, printed %q, want %q", err, out, tt.want)
			}
		})
	}
}

func TestPermissionsThatAreWrongKeepACommandFromStarting(t *testing.T) {
	path := writeFile(t, strings.Replace(permissions, "shop.example.com", "shop.*.com", 1))
	for _, c := range []*cobra.Command{serveCommand(), standaloneCommand(), validateCommand(), translateCommand()} {
		c.SetOut(io.Discard)
		c.SetErr(io.Discard)
		args := []string{"--host-permissions=" + path}
		if c.Flags().Lookup("filename") != nil {
			args = append(args, "-f", t.TempDir())
		}
		c.SetArgs(args)
		err := c.Execute()
		if want := "--host-permissions: " + path + ": permissions[0].hostnames[0]: Invalid value"; err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: error %v, want one that begins with %q", c.Name(), err, want)
		}
	}
}

func TestSettingsThatMeanNothingAreRefused(t *testing.T) {
	for name, change := range map[string]func(*translation){
		"--default-certificate":  func(t *translation) { t.certificate = "shop" },
		"--default-certificate:": func(t *translation) { t.certificate = "a/b/c" },
		"--https-redirect-port":  func(t *translation) { t.redirectPort = 0 },
		"--host-permissions":     func(t *translation) { t.hostPermissions = "nowhere.yaml" },
		"--load-balancing":       func(t *translation) { t.balancing = "Random" },
	} {
		meaning := translation{balancing: "LeastRequest", redirectPort: 443}
		change(&meaning)
		if _, err := meaning.options(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}
