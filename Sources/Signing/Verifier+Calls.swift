import Wire

extension Verifier {
  /// Checks an envelope: subnet, length and digest of the body, signature.
  /// - Throws: `WRONG_SUBNET`, `BODY_MISMATCH`, `BODY_NOT_EMPTY`, `UNSIGNED` or `BAD_SIGNATURE`.
  package func verify(
    _ signed: SignedCall, subnet: SubnetID
  ) throws(Refusal) -> VerifiedCall {
    let call = signed.call
    guard call.subnet == subnet else {
      throw Refusal(
        "WRONG_SUBNET",
        "the call is for subnet \(call.subnet), this is \(subnet): sign it again for this one")
    }
    guard signed.body.count <= Limits.callBodyBytesMax, Int(call.bodyBytes) == signed.body.count,
      sha256(signed.body) == call.bodyDigest
    else {
      throw Refusal(
        "BODY_MISMATCH",
        "the body is not the one that the envelope names (\(call.bodyBytes) bytes, digest "
          + "\(call.bodyDigest)): send the body that was signed")
    }
    guard call.method.hasBody || signed.body.isEmpty else {
      throw Refusal(
        "BODY_NOT_EMPTY",
        "a \(call.method.label) has no body, this one brings \(signed.body.count) bytes: leave it "
          + "out")
    }
    switch (call.sender, signed.signature) {
    case (nil, nil): break
    case (nil, .some):
      throw Refusal("BAD_SIGNATURE", "a signature without a sender: name the sender, or sign not")
    case (.some, nil):
      throw Refusal("UNSIGNED", "the call names a sender but has no signature: sign it")
    case (.some(let sender), .some(let signature)):
      guard verifies(signature, of: call, by: sender) else {
        throw Refusal(
          "BAD_SIGNATURE", "the signature does not verify for \(sender): sign with its key")
      }
    }
    return VerifiedCall(signed, digest: call.digest)
  }

  /// A recovering member's question, signed by the asker.
  package func verify(
    _ question: RecoveryQuestion, _ signature: Signature, in committee: Committee
  ) -> Verified<RecoveryQuestion>? {
    guard question.subnet == committee.subnet, question.epoch == committee.epoch,
      let key = committee.key(of: question.asker),
      verifies(signature, of: question, by: key)
    else { return nil }
    return Verified(question)
  }

  /// A member's answer to it, signed by the responder; the certificate in it is checked too.
  package func verify(
    _ answer: RecoveryAnswer, _ signature: Signature, in committee: Committee
  ) -> Verified<RecoveryAnswer>? {
    guard answer.subnet == committee.subnet, answer.epoch == committee.epoch,
      committee.contains(answer.asker), let key = committee.key(of: answer.responder),
      verifies(signature, of: answer, by: key)
    else { return nil }
    if let certificate = answer.certificate {
      guard verify(certificate, in: committee) != nil else { return nil }
    }
    return Verified(answer)
  }
}
