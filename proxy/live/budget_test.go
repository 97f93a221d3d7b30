package live

import "testing"

func TestRetriesAreAFifthOfTheExchanges(t *testing.T) {
	c := newCluster("c")
	saved := 0
	for c.SpendRetry() {
		saved++
	}
	if saved != maxSaved {
		t.Errorf("%d retries were saved, want %d", saved, maxSaved)
	}
	retries := 0
	for range 1000 {
		c.Earn()
		if c.SpendRetry() {
			retries++
		}
	}
	if retries != 200 {
		t.Errorf("%d retries in 1000 exchanges, want 200", retries)
	}
}

func TestNoMoreRetriesAreSavedThanTheMost(t *testing.T) {
	c := newCluster("c")
	for range 10_000 {
		c.Earn()
	}
	for range maxSaved {
		if !c.SpendRetry() {
			t.Fatal("too few retries are saved")
		}
	}
	if c.SpendRetry() {
		t.Error("too many retries are saved")
	}
}
