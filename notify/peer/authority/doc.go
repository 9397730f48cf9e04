// Package authority says which managers may link to this one, and proves to others who this
// one is: grove's own small certificate authority for peers. It moves no messages: package
// fabric does, with the TLS settings and the verdicts from here.
//
// # Who is who
//
// Every manager has an ECDSA P-256 key, made once. Its [peer.ID] is the beginning of the
// SHA-256 of the public key (see [IDOf]), so an ID can be had by nobody who does not have its
// key, whichever authority certified it. A certificate names the manager in one place alone,
// the URI "grove://ID" among its subject alternative names; what its subject says is for
// people and is never compared.
//
// Every manager is the authority for those that join it, and for nobody else: a second key
// signs their certificates. Who joins pins that key.
//
// # Joining
//
// [Authority.Invite] makes a token that holds a secret of 256 bits, the ID of the inviting
// manager and the SHA-256 of the public key of its authority. It is shown once; the database
// has its hash. The joining manager calls with a certificate that it signed itself, which is
// let in while an invitation is open and may ask "authority.join" alone. It gets its
// certificate for the secret; the token is used up in the same transaction. The same key may
// ask again with the same token for an hour, should the answer have been lost.
//
// # Certificates
//
// They live 24 hours, unless it is set otherwise, and are renewed after two thirds of that by
// "authority.renew". They begin 5 minutes before they are made, and ends are taken with 5
// minutes of patience: who joins must have a clock that is not further apart. After that only
// the authority judges certificates by their times, which are those of its own clock, so
// links stand and are renewed whatever the clocks say. One that is over, but for no
// more than 30 days and not revoked, still lets its manager in, which may ask
// "authority.renew" alone: a manager that was off for weeks comes back by itself.
//
// # Revoking
//
// Certificates are numbered, upwards. [Authority.Revoke] ends all that a manager has: those
// up to a number. There is no way back but another invitation, whose certificate has a higher number.
// What is revoked is in a file beside the keys and in the database; each completes the other
// when grove starts, so that neither a lost database nor an old backup brings anybody back.
// Links are cut at once, and all who joined this authority are told ("authority.revoked").
package authority
