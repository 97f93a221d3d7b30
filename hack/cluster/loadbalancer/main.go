// Command loadbalancer stands in for a cloud on the local cluster: it gives every Service of type LoadBalancer an address,
// which kube-proxy then serves on the node. Addresses are taken from a range that the node has a route for, lowest first,
// and are free again when their Service is gone.
//
//	loadbalancer --kubeconfig FILE --range 10.201.0.0/24
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"os"
	"os/signal"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/util/retry"
)

func main() {
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	kubeconfig := flag.String("kubeconfig", "", "kubeconfig file of somebody who may write the status of Services")
	prefix := flag.String("range", "", "IPv4 prefix to take addresses from")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := run(ctx, log, *kubeconfig, *prefix); err != nil {
		log.Error("no more addresses are given", "error", err)
		os.Exit(1)
	}
}

// run gives addresses until ctx ends. All of it happens in one goroutine, so that no address is given twice.
func run(ctx context.Context, log *slog.Logger, kubeconfig, prefix string) error {
	addresses, err := netip.ParsePrefix(prefix)
	if err != nil {
		return fmt.Errorf("--range: %w", err)
	}
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	clients, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	factory := informers.NewSharedInformerFactory(clients, 0)
	services := factory.Core().V1().Services()
	changed := make(chan struct{}, 1)
	wake := func() {
		select {
		case changed <- struct{}{}:
		default: // it is going to look anyway
		}
	}
	if _, err := services.Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { wake() },
		UpdateFunc: func(any, any) { wake() },
		DeleteFunc: func(any) { wake() },
	}); err != nil {
		return err
	}
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	held := pool{from: addresses.Masked(), of: map[types.UID]netip.Addr{}}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		}
		all, err := services.Lister().List(labels.Everything())
		if err != nil {
			return err
		}
		for _, s := range held.allot(all) {
			address := held.of[s.UID]
			if err := give(ctx, clients, s, address); err != nil {
				log.Warn("an address could not be given", "namespace", s.Namespace, "service", s.Name, "address", address, "error", err)
				time.AfterFunc(time.Second, wake)
				continue
			}
			log.Info("address given", "namespace", s.Namespace, "service", s.Name, "address", address)
		}
	}
}

// pool knows who holds which address, also while a write is not yet seen in the cache.
type pool struct {
	from netip.Prefix
	of   map[types.UID]netip.Addr
}

// allot returns the Services whose address is to be written, given all there are. When the range is used up, the rest
// waits until an address is free.
func (p *pool) allot(services []*corev1.Service) (due []*corev1.Service) {
	balanced := map[types.UID]*corev1.Service{}
	for _, s := range services {
		if s.Spec.Type != corev1.ServiceTypeLoadBalancer {
			continue
		}
		balanced[s.UID] = s
		for _, i := range s.Status.LoadBalancer.Ingress {
			if a, err := netip.ParseAddr(i.IP); err == nil {
				p.of[s.UID] = a
			}
		}
	}
	maps.DeleteFunc(p.of, func(holder types.UID, _ netip.Addr) bool { return balanced[holder] == nil })
	taken := map[netip.Addr]bool{}
	for _, a := range p.of {
		taken[a] = true
	}
	next := p.from.Addr().Next() // the first is the network's
	for uid, s := range balanced {
		if len(s.Status.LoadBalancer.Ingress) > 0 {
			continue
		}
		if _, holds := p.of[uid]; !holds {
			for taken[next] {
				next = next.Next()
			}
			if !p.from.Contains(next) {
				continue
			}
			p.of[uid], taken[next] = next, true
		}
		due = append(due, s)
	}
	return due
}

// give writes an address into a Service's status, unless it is gone or has one by now.
func give(ctx context.Context, clients kubernetes.Interface, to *corev1.Service, address netip.Addr) error {
	api := clients.CoreV1().Services(to.Namespace)
	err := retry.RetryOnConflict(retry.DefaultRetry, func() error {
		s, err := api.Get(ctx, to.Name, metav1.GetOptions{})
		if err != nil || len(s.Status.LoadBalancer.Ingress) > 0 {
			return err
		}
		s.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{IP: address.String()}}
		_, err = api.UpdateStatus(ctx, s, metav1.UpdateOptions{})
		return err
	})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
