package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// secureHost is the host whose certificate is made here and named in manifests.yaml.
const secureHost = "gateway.test"

// testsslFindings is how many findings testssl.sh reports at least, good ones included.
const testsslFindings = 125

const selfSigned = "the certificate is signed by its own key"

// excused are findings that the gateway can't help, with the reason.
var excused = map[string]string{
	"cert_chain_of_trust": selfSigned,
	"cert_revocation":     selfSigned,
	"engine_problem":      "it is about the openssl of the machine that looks, not about the gateway",
	"TLS_session_ticket":  "crypto/tls states seven days in every ticket (the most of RFC 8446 §4.6.1); the keys, which are what the warning is about, are renewed every day",
}

// finding is what testssl.sh says about one thing.
type finding struct {
	ID       string `json:"id"`
	Severity string `json:"severity"`
	Finding  string `json:"finding"`
}

// secure holds the listener for HTTPS against testssl.sh.
func secure(ctx context.Context, o options, details *os.File) (string, error) {
	report := filepath.Join(o.out, "testssl.json")
	if err := os.RemoveAll(report); err != nil {
		return "", err
	}
	err := beside(ctx, o, "tls", http.HandlerFunc(origin), func() error {
		cmd := exec.CommandContext(ctx, "testssl", "--quiet", "--color", "0", "--warnings", "batch", "--nodns", "none",
			"--ip", "127.0.0.1", "--jsonfile", report, "https://"+secureHost+":"+securePort)
		cmd.Stdout, cmd.Stderr = details, details
		var exit *exec.ExitError
		if err := cmd.Run(); !errors.As(err, &exit) {
			return err
		}
		return nil // It counts what it found, as is done below.
	}, "--default-certificate", "default/gateway-test") // Some of the checks name no host.
	if err != nil {
		return "", err
	}
	return judgeFindings(report, details)
}

func judgeFindings(report string, details *os.File) (string, error) {
	text, err := os.ReadFile(report)
	if err != nil {
		return "", err
	}
	var findings []finding
	if err := json.Unmarshal(text, &findings); err != nil {
		return "", fmt.Errorf("%s: %w", report, err)
	}
	var known, bad []string
	for _, f := range findings {
		switch {
		case f.Severity == "OK" || f.Severity == "INFO" || f.Severity == "DEBUG":
		case excused[f.ID] != "":
			known = append(known, f.ID)
		default:
			bad = append(bad, fmt.Sprintf("%s (%s): %s", f.ID, f.Severity, f.Finding))
		}
	}
	line := fmt.Sprintf("%d findings, %d listed (%s), %d others", len(findings), len(known), strings.Join(known, ", "), len(bad))
	fmt.Fprintf(details, "\n%s\n%s\n", line, strings.Join(bad, "\n"))
	switch {
	case len(findings) < testsslFindings:
		return line, fmt.Errorf("testssl.sh reported %d findings, want at least %d", len(findings), testsslFindings)
	case len(bad) > 0:
		return line, fmt.Errorf("see %s", details.Name())
	}
	return line, nil
}

// secretManifest is a Secret with a key and a certificate for secureHost, signed with that key.
func secretManifest() ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()),
		Subject:      pkix.Name{CommonName: secureHost},
		DNSNames:     []string{secureHost},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().AddDate(0, 3, 0),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return json.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls", "metadata": map[string]string{"name": "gateway-test"},
		"stringData": map[string]string{
			"tls.crt": string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
			"tls.key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})),
		},
	})
}
