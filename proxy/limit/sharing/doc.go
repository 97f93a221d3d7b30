// Package sharing lets replicas hold a limit together without a store that they share. It is pure: who carries its messages, and what
// time it is, are others' business (package mesh sends them, over gRPC).
//
// A key that is used little needs no messages: each of n replicas gives away the n-th part of its limit. Once a replica has
// given away half of its part, it tracks the key and reports its use to all others, who report theirs. A replica of a tracked key knows
//
//   - the level: what all have used, as far as it knows, which flows back at the limit's rate;
//   - the basis: the level without what it has used itself since the last report that all others have confirmed;
//   - its share: its weight by the weights of all, where a weight follows the demand;
//
// and may use share * (limit - basis), and share * rate * time on top. What is not used by one is thus divided anew among all with every
// report that is confirmed. Three rules make this safe whatever the delay of messages:
//
//   - A use stops to count against the own share only when everyone else counts it in their basis.
//   - A replica reckons with the lower of its own weights that others may know, so that shares never add up to more than 1.
//   - A replica leaves to others what they may use too much. They say what they take for left; who knows that it is less, because it has heard
//     of uses that they have not heard of, takes the difference of their shares from its own.
//
// Hence, as long as replicas neither come nor are lost, all together admit no more than the limit allows, and, where a share is less than
// one request, one request a replica on top. A replica that comes may admit the n-th part of a limit before it has learnt what the
// others have used. One that is not heard for Timeout is lost: the others divide its share. Replicas that can't reach each other
// admit the limit in each of their groups.
package sharing
