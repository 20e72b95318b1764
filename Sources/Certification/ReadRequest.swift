import Signing
import Wire

/// A read that may name its caller, who then signs it.
package protocol ReadRequest: Statement {
  /// nil for what everybody may read.
  var caller: PublicKey? { get }
  /// A signed request counts up to this moment; an unsigned one says 0.
  var expiry: Moment { get }
}

/// A read as it travels, with the caller's signature if it names one.
package struct SignedRead<Request: ReadRequest>: Hashable, Canonical {
  package let request: Request
  package let signature: Signature?

  package init(request: Request, signature: Signature?) {
    self.request = request
    self.signature = signature
  }

  /// Signs with `signer` when the request names a caller.
  /// - Precondition: the caller named is the signer.
  package init(_ request: Request, by signer: Signer?) {
    precondition(request.caller == signer?.publicKey, "the caller is another key")
    self.request = request
    signature = signer?.sign(request)
  }

  package func encode(into encoder: inout Encoder) {
    encoder.value(request)
    encoder.optional(signature)
  }
  package init(from decoder: inout Decoder) throws(Malformed) {
    request = try decoder.value()
    signature = try decoder.optional()
  }

  /// The request, once its caller is known to be the caller.
  /// - Throws: `WRONG_SUBNET`, `UNSIGNED`, `BAD_SIGNATURE` or `EXPIRED`.
  package func checked(
    by verifier: Verifier, subnet: SubnetID, now: Moment
  ) throws(Refusal) -> Request {
    guard request.subnet == subnet else {
      throw Refusal(
        "WRONG_SUBNET", "the read is for subnet \(request.subnet), this is \(subnet)")
    }
    guard let caller = request.caller else {
      guard signature == nil else {
        throw Refusal("BAD_SIGNATURE", "a signature without a caller: name the caller")
      }
      return request
    }
    guard let signature else {
      throw Refusal("UNSIGNED", "the read names a caller but has no signature: sign it")
    }
    guard verifier.verifies(signature, of: request, by: caller) else {
      throw Refusal("BAD_SIGNATURE", "the signature does not verify for \(caller)")
    }
    let latest = now.advanced(by: (Limits.callLifetimeMax.number / 1_000))
    guard now <= request.expiry, request.expiry <= latest else {
      throw Refusal(
        "EXPIRED",
        "the read says it counts up to \(request.expiry), this replica's clock says \(now) "
          + "(milliseconds since 1970): set the clock, or sign again")
    }
    return request
  }
}
