/// A replica that lost its log asks where the others are (rule R9).
package struct RecoveryQuestion: Statement {
  package static let domain = "quorate/recovery-question/1"
  package let subnet: SubnetID
  package let epoch: Epoch
  package let asker: ReplicaID
  /// Fresh chance, so that old answers do not count.
  package let nonce: Digest

  package init(subnet: SubnetID, epoch: Epoch, asker: ReplicaID, nonce: Digest) {
    self.subnet = subnet
    self.epoch = epoch
    self.asker = asker
    self.nonce = nonce
  }

  package func encode(into encoder: inout Encoder) {
    encoder.value(subnet)
    encoder.value(epoch)
    encoder.value(asker)
    encoder.value(nonce)
  }
  package init(from decoder: inout Decoder) throws(Malformed) {
    subnet = try decoder.value()
    epoch = try decoder.value()
    asker = try decoder.value()
    nonce = try decoder.value()
  }
}

/// A member's current view, bound to the question, and its highest state signature by the asker.
package struct RecoveryAnswer: Statement {
  package static let domain = "quorate/recovery-answer/1"
  package let subnet: SubnetID
  package let epoch: Epoch
  package let asker: ReplicaID
  package let nonce: Digest
  package let responder: ReplicaID
  package let view: View
  /// What led into `view`; nil in view 1.
  package let certificate: Certificate?
  /// The highest height that the responder has seen the asker sign a state of.
  package let stateSigned: Height

  package init(
    subnet: SubnetID, epoch: Epoch, asker: ReplicaID, nonce: Digest, responder: ReplicaID,
    view: View, certificate: Certificate?, stateSigned: Height
  ) {
    self.subnet = subnet
    self.epoch = epoch
    self.asker = asker
    self.nonce = nonce
    self.responder = responder
    self.view = view
    self.certificate = certificate
    self.stateSigned = stateSigned
  }

  package func encode(into encoder: inout Encoder) {
    encoder.value(subnet)
    encoder.value(epoch)
    encoder.value(asker)
    encoder.value(nonce)
    encoder.value(responder)
    encoder.value(view)
    encoder.optional(certificate)
    encoder.value(stateSigned)
  }
  package init(from decoder: inout Decoder) throws(Malformed) {
    subnet = try decoder.value()
    epoch = try decoder.value()
    asker = try decoder.value()
    nonce = try decoder.value()
    responder = try decoder.value()
    view = try decoder.value()
    certificate = try decoder.optional()
    stateSigned = try decoder.value()
  }
}
