/// What a replica claims after executing a block.
package struct StateStatement: Statement {
  package static let domain = "quorate/state/1"

  package let subnet: SubnetID
  package let epoch: Epoch
  package let height: Height
  package let block: Digest
  package let stateRoot: Digest
  package let receiptsRoot: Digest
  /// The block's time.
  package let time: Moment

  package init(
    subnet: SubnetID, epoch: Epoch, height: Height, block: Digest, stateRoot: Digest,
    receiptsRoot: Digest, time: Moment
  ) {
    self.subnet = subnet
    self.epoch = epoch
    self.height = height
    self.block = block
    self.stateRoot = stateRoot
    self.receiptsRoot = receiptsRoot
    self.time = time
  }

  package func encode(into encoder: inout Encoder) {
    encoder.value(subnet)
    encoder.value(epoch)
    encoder.value(height)
    encoder.value(block)
    encoder.value(stateRoot)
    encoder.value(receiptsRoot)
    encoder.value(time)
  }
  package init(from decoder: inout Decoder) throws(Malformed) {
    subnet = try decoder.value()
    epoch = try decoder.value()
    height = try decoder.value()
    block = try decoder.value()
    stateRoot = try decoder.value()
    receiptsRoot = try decoder.value()
    time = try decoder.value()
  }
}

/// One replica's signature under its state statement.
package struct StateShare: Hashable, Canonical {
  package let statement: StateStatement
  package let signer: ReplicaID
  package let signature: Signature

  package init(statement: StateStatement, signer: ReplicaID, signature: Signature) {
    self.statement = statement
    self.signer = signer
    self.signature = signature
  }

  package func encode(into encoder: inout Encoder) {
    encoder.value(statement)
    encoder.value(signer)
    encoder.value(signature)
  }
  package init(from decoder: inout Decoder) throws(Malformed) {
    statement = try decoder.value()
    signer = try decoder.value()
    signature = try decoder.value()
  }
}

/// Signatures of a quorum under one state statement: what clients verify.
package struct StateCertificate: Hashable, Canonical {
  package let statement: StateStatement
  package let signers: Signers
  /// In the order of the signers.
  package let signatures: [Signature]

  package init(statement: StateStatement, signers: Signers, signatures: [Signature]) {
    self.statement = statement
    self.signers = signers
    self.signatures = signatures
  }

  package var height: Height { statement.height }

  package func encode(into encoder: inout Encoder) {
    encoder.value(statement)
    encoder.value(signers)
    encoder.list(signatures)
  }
  package init(from decoder: inout Decoder) throws(Malformed) {
    statement = try decoder.value()
    signers = try decoder.value()
    signatures = try decoder.list(limit: Limits.membersMax)
  }
}
