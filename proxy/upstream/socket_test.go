//go:build unix

package upstream

import (
	"net/netip"
	"syscall"
	"testing"
)

// listenWithoutQueue listens, but holds one unaccepted connection at most.
func listenWithoutQueue(t *testing.T) (netip.AddrPort, error) {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		return netip.AddrPort{}, err
	}
	t.Cleanup(func() { syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return netip.AddrPort{}, err
	}
	if err := syscall.Listen(fd, 0); err != nil {
		return netip.AddrPort{}, err
	}
	bound, err := syscall.Getsockname(fd)
	if err != nil {
		return netip.AddrPort{}, err
	}
	a := bound.(*syscall.SockaddrInet4)
	return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port)), nil
}
