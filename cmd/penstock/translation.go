package main

import (
	"fmt"
	"slices"

	"github.com/spf13/pflag"

	"github.com/penstock/penstock/controllers/translate"
	"github.com/penstock/penstock/proxy/snapshot"
)

// translation are the flags that change what objects mean. Every command that translates has them.
type translation struct {
	class            string
	httpPort         uint16
	balancing        string
	externalBackends bool
	externalNames    bool
}

func (t *translation) add(f *pflag.FlagSet) {
	f.StringVar(&t.class, "class", "penstock", "serve the GatewayRoutes with this className")
	f.Uint16Var(&t.httpPort, "http-port", 8080, "port for cleartext HTTP; 0 takes any free one")
	f.StringVar(&t.balancing, "load-balancing", string(snapshot.LeastRequest), "how an endpoint is chosen: LeastRequest or RoundRobin")
	f.BoolVar(&t.externalBackends, "allow-external-backends", t.externalBackends, "allow backends with host and port, which can reach anything that this process can")
	f.BoolVar(&t.externalNames, "allow-external-name", t.externalNames, "allow backends that are Services of type ExternalName")
}

func (t *translation) options() (translate.Options, error) {
	balancer := snapshot.Balancer(t.balancing)
	if !slices.Contains([]snapshot.Balancer{snapshot.LeastRequest, snapshot.RoundRobin}, balancer) {
		return translate.Options{}, fmt.Errorf("--load-balancing: %q is neither LeastRequest nor RoundRobin", t.balancing)
	}
	o := translate.DefaultOptions()
	o.ClassName = t.class
	o.Listeners = []*snapshot.Listener{{Name: snapshot.ListenerHTTP, Port: t.httpPort, Protocol: snapshot.HTTP}}
	o.Balancer = balancer
	o.AllowExternalBackends = t.externalBackends
	o.AllowExternalName = t.externalNames
	return o, nil
}
