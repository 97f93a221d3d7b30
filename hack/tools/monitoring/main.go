// Command monitoring reads manifests of the Prometheus operator from its standard input, as JSON, one after the other. It fails
// if one has a field that its type has not, or a rule that Prometheus would refuse.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
)

func main() {
	if err := run(os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, "monitoring:", err)
		os.Exit(1)
	}
}

func run(in io.Reader) error {
	for d := json.NewDecoder(in); ; {
		var manifest json.RawMessage
		if err := d.Decode(&manifest); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if err := check(manifest); err != nil {
			return err
		}
	}
}

func check(manifest []byte) error {
	var object struct {
		Kind string          `json:"kind"`
		Spec json.RawMessage `json:"spec"`
	}
	if err := json.Unmarshal(manifest, &object); err != nil {
		return err
	}
	switch object.Kind {
	case "ServiceMonitor":
		return strict(manifest, &monitoringv1.ServiceMonitor{})
	case "PrometheusRule":
		if err := strict(manifest, &monitoringv1.PrometheusRule{}); err != nil {
			return err
		}
		_, errs := rulefmt.Parse(object.Spec, false, model.UTF8Validation) // JSON is YAML
		return errors.Join(errs...)
	}
	return fmt.Errorf("%q is neither ServiceMonitor nor PrometheusRule", object.Kind)
}

func strict(manifest []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(manifest))
	d.DisallowUnknownFields()
	return d.Decode(into)
}
