import Signing
import Wire

/// What a replica found: equal on all correct replicas for one query at one height.
package struct AnswerContent: Hashable, Canonical {
  package let subnet: SubnetID
  package let epoch: Epoch
  /// `QueryRequest.subject` of the query.
  package let subject: Digest
  package let height: Height
  /// Block time of the height.
  package let time: Moment
  /// The subnet's state root at the height.
  package let stateRoot: Digest
  package let result: ResultTable

  package init(
    subnet: SubnetID, epoch: Epoch, subject: Digest, height: Height, time: Moment,
    stateRoot: Digest, result: ResultTable
  ) {
    self.subnet = subnet
    self.epoch = epoch
    self.subject = subject
    self.height = height
    self.time = time
    self.stateRoot = stateRoot
    self.result = result
  }

  package func encode(into encoder: inout Encoder) {
    encoder.value(subnet)
    encoder.value(epoch)
    encoder.value(subject)
    encoder.value(height)
    encoder.value(time)
    encoder.value(stateRoot)
    encoder.value(result)
  }
  package init(from decoder: inout Decoder) throws(Malformed) {
    subnet = try decoder.value()
    epoch = try decoder.value()
    subject = try decoder.value()
    height = try decoder.value()
    time = try decoder.value()
    stateRoot = try decoder.value()
    result = try decoder.value()
  }

  /// What the replica signs of it.
  package func statement(by replica: ReplicaID) -> AnswerStatement {
    AnswerStatement(
      subnet: subnet, epoch: epoch, replica: replica, subject: subject, height: height,
      time: time, stateRoot: stateRoot, result: result.digest)
  }
}

/// A replica's claim about the answer to a query at a height. A wrong one is evidence against it.
package struct AnswerStatement: Statement {
  package static let domain = "quorate/answer/1"

  package let subnet: SubnetID
  package let epoch: Epoch
  package let replica: ReplicaID
  package let subject: Digest
  package let height: Height
  package let time: Moment
  package let stateRoot: Digest
  /// `ResultTable.digest`.
  package let result: Digest

  package init(
    subnet: SubnetID, epoch: Epoch, replica: ReplicaID, subject: Digest, height: Height,
    time: Moment, stateRoot: Digest, result: Digest
  ) {
    self.subnet = subnet
    self.epoch = epoch
    self.replica = replica
    self.subject = subject
    self.height = height
    self.time = time
    self.stateRoot = stateRoot
    self.result = result
  }

  package func encode(into encoder: inout Encoder) {
    encoder.value(subnet)
    encoder.value(epoch)
    encoder.value(replica)
    encoder.value(subject)
    encoder.value(height)
    encoder.value(time)
    encoder.value(stateRoot)
    encoder.value(result)
  }
  package init(from decoder: inout Decoder) throws(Malformed) {
    subnet = try decoder.value()
    epoch = try decoder.value()
    replica = try decoder.value()
    subject = try decoder.value()
    height = try decoder.value()
    time = try decoder.value()
    stateRoot = try decoder.value()
    result = try decoder.value()
  }
}

/// An answer as it travels. Not verified by itself: see `AnswerCheck`.
package struct SignedAnswer: Hashable, Canonical {
  package let content: AnswerContent
  package let replica: ReplicaID
  package let signature: Signature

  package init(content: AnswerContent, replica: ReplicaID, signature: Signature) {
    self.content = content
    self.replica = replica
    self.signature = signature
  }

  /// Signs `content` as `replica`.
  package init(_ content: AnswerContent, as replica: ReplicaID, by signer: Signer) {
    self.content = content
    self.replica = replica
    signature = signer.sign(content.statement(by: replica))
  }

  package func encode(into encoder: inout Encoder) {
    encoder.value(content)
    encoder.value(replica)
    encoder.value(signature)
  }
  package init(from decoder: inout Decoder) throws(Malformed) {
    content = try decoder.value()
    replica = try decoder.value()
    signature = try decoder.value()
  }
}
