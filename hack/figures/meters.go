package main

import (
	"bufio"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// resident is the gateway's resident memory in bytes.
func (l *lab) resident() (int64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", l.gateway.Process.Pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kib << 10, err
		}
	}
	return 0, errors.New("no VmRSS")
}

// cpu is the gateway's processor time so far; the kernel counts it in steps of 10 ms.
func (l *lab) cpu() (time.Duration, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", l.gateway.Process.Pid))
	if err != nil {
		return 0, err
	}
	f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	user, err1 := strconv.Atoi(f[11])
	system, err2 := strconv.Atoi(f[12])
	return time.Duration(user+system) * 10 * time.Millisecond, errors.Join(err1, err2)
}

// metric reads one sample from the gateway's metrics.
func (l *lab) metric(name string) (float64, error) {
	values, err := l.metrics(name)
	if err != nil {
		return 0, err
	}
	return values[0], nil
}

// metrics reads samples from one scrape of the gateway's metrics.
func (l *lab) metrics(names ...string) ([]float64, error) {
	r, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/metrics", adminPort))
	if err != nil {
		return nil, err
	}
	defer r.Body.Close()
	values, found := make([]float64, len(names)), 0
	for s := bufio.NewScanner(r.Body); s.Scan(); {
		name, text, _ := strings.Cut(s.Text(), " ")
		if i := slices.Index(names, name); i >= 0 {
			if values[i], err = strconv.ParseFloat(text, 64); err != nil {
				return nil, err
			}
			found++
		}
	}
	if found != len(names) {
		return nil, fmt.Errorf("%d of the metrics %v", found, names)
	}
	return values, nil
}
