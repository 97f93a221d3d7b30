package redis

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
)

// ParseURL reads where a server is:
//
//	redis://HOST[:PORT][/DATABASE]              one server
//	redis://HOST[:PORT],...?cluster=true        a cluster, by some of its nodes
//	redis://HOST[:PORT],...?sentinel=NAME       the server of that name that the sentinels at these addresses watch over
//
// and rediss:// for the same over TLS. A user name may stand before the host; passwords are set by the caller.
func ParseURL(text string) (*redis.UniversalOptions, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, errors.New("it is no URL") // whose text may have a password
	}
	o := &redis.UniversalOptions{}
	switch u.Scheme {
	case "redis":
	case "rediss":
		o.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	default:
		return nil, fmt.Errorf("scheme %q is neither redis nor rediss", u.Scheme)
	}
	if _, has := u.User.Password(); has {
		return nil, errors.New("a password does not belong here, where others can see it")
	}
	o.Username = u.User.Username()
	if err := readQuery(o, u.Query()); err != nil {
		return nil, err
	}
	if err := readHosts(o, u.Host); err != nil {
		return nil, err
	}
	if db := strings.Trim(u.Path, "/"); db != "" {
		if o.DB, err = strconv.Atoi(db); err != nil || o.DB < 0 || o.IsClusterMode {
			return nil, fmt.Errorf("%q is no database of such a server", db)
		}
	}
	return o, nil
}

func readHosts(o *redis.UniversalOptions, hosts string) error {
	port := "6379"
	if o.MasterName != "" {
		port = "26379"
	}
	for host := range strings.SplitSeq(hosts, ",") {
		if host == "" {
			return errors.New("a host is empty")
		}
		if _, _, err := net.SplitHostPort(host); err != nil {
			host = net.JoinHostPort(strings.Trim(host, "[]"), port)
		}
		o.Addrs = append(o.Addrs, host)
	}
	if len(o.Addrs) > 1 && !o.IsClusterMode && o.MasterName == "" {
		return errors.New("several hosts are either of a cluster or sentinels: add ?cluster=true or ?sentinel=NAME")
	}
	return nil
}

func readQuery(o *redis.UniversalOptions, q url.Values) error {
	for name := range q {
		switch value := q.Get(name); {
		case name == "cluster" && value == "true":
			o.IsClusterMode = true
		case name == "sentinel" && value != "":
			o.MasterName = value
		default:
			return fmt.Errorf("%s=%s is neither cluster=true nor sentinel=NAME", name, value)
		}
	}
	if o.IsClusterMode && o.MasterName != "" {
		return errors.New("a cluster has no sentinels")
	}
	return nil
}
