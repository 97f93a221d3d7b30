package v1alpha1

import (
	"fmt"
	"regexp"
	"time"
)

// Duration is a GEP-2257 duration: up to four pairs of a whole number and a unit (h, m, s or ms), such as "10s" or
// "1m30s". "1.5s" is written "1s500ms".
//
// +kubebuilder:validation:MaxLength=28
// +kubebuilder:validation:Pattern=`^([0-9]{1,5}(h|m|s|ms)){1,4}$`
type Duration string

var durationForm = regexp.MustCompile(`^([0-9]{1,5}(h|m|s|ms)){1,4}$`)

// Parse returns the duration d stands for. It fails on what GEP-2257 does not allow, even where Go's own syntax would:
// fractions, signs, microseconds.
func (d Duration) Parse() (time.Duration, error) {
	if !durationForm.MatchString(string(d)) {
		return 0, fmt.Errorf("duration %q: want up to four pairs of a whole number and h, m, s or ms (GEP-2257)", string(d))
	}
	return time.ParseDuration(string(d))
}
