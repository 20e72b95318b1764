import Wire

/// What signs for one key.
package enum Signer: Sendable {
  case ed25519(KeyPair)
  /// For simulations: no secret at all.
  case mock(PublicKey)

  package var publicKey: PublicKey {
    switch self {
    case .ed25519(let pair): pair.publicKey
    case .mock(let key): key
    }
  }

  package func sign(_ statement: some Statement) -> Signature {
    let bytes = statement.signedBytes
    return switch self {
    case .ed25519(let pair): pair.sign(bytes)
    case .mock(let key): MockScheme.sign(bytes, key)
    }
  }

  /// This member's vote, verified because it is signed here.
  /// - Precondition: this signer's key is that of `me` in `committee`, and the ballot is of its
  ///   subnet and epoch.
  package func vote(_ ballot: Ballot, as me: ReplicaID, in committee: Committee) -> Verified<Vote> {
    precondition(committee.key(of: me) == publicKey, "this key is not \(me)'s")
    precondition(committee.binds(ballot), "a ballot of another subnet or epoch")
    return Verified(Vote(ballot: ballot, signer: me, signature: sign(ballot)))
  }

  /// This member's state share, verified because it is signed here.
  /// - Precondition: as for `vote`.
  package func share(
    _ statement: StateStatement, as me: ReplicaID, in committee: Committee
  ) -> Verified<StateShare> {
    precondition(committee.key(of: me) == publicKey, "this key is not \(me)'s")
    precondition(
      statement.subnet == committee.subnet && statement.epoch == committee.epoch,
      "a state of another subnet or epoch")
    return Verified(StateShare(statement: statement, signer: me, signature: sign(statement)))
  }

  /// A call with its signature.
  /// - Precondition: the call's sender is this signer's key and its body is `body`.
  package func sign(_ call: Call, body: [UInt8]) -> SignedCall {
    precondition(call.sender == publicKey, "the sender is another key")
    return SignedCall(call: call, body: body, signature: sign(call))
  }
}
