import Signing
import Wire

/// A committee of `size`, of either scheme, with all its signers.
struct Subnet {
  let committee: Committee
  let signers: [Signer]
  let verifier: Verifier

  init(size: Int, mock: Bool, subnet: SubnetID = sha256([0x5b]), epoch: Epoch = 2) {
    let pairs = (0..<size).compactMap { KeyPair(seed: sha256([0x77, UInt8($0)]).bytes) }
    signers = pairs.map { mock ? .mock($0.publicKey) : .ed25519($0) }
    verifier = mock ? .mock : .ed25519
    committee = Committee(subnet: subnet, epoch: epoch, keys: pairs.map(\.publicKey))
  }

  var ballot: Ballot {
    .notarize(
      subnet: committee.subnet, epoch: committee.epoch, view: 9, parentView: 8,
      block: sha256([1]))
  }

  var nullify: Ballot {
    .nullify(subnet: committee.subnet, epoch: committee.epoch, view: 9)
  }

  func finalize(_ block: UInt8) -> Ballot {
    .finalize(
      subnet: committee.subnet, epoch: committee.epoch, view: 9, parentView: 8,
      block: sha256([block]))
  }

  func state(_ root: UInt8) -> StateStatement {
    StateStatement(
      subnet: committee.subnet, epoch: committee.epoch, height: 5, block: sha256([1]),
      stateRoot: sha256([root]), receiptsRoot: sha256([3]), time: 77)
  }

  func vote(_ ballot: Ballot, by index: Int) -> Verified<Vote> {
    signers[index].vote(ballot, as: ReplicaID(UInt16(index)), in: committee)
  }

  func share(_ state: StateStatement, by index: Int) -> Verified<StateShare> {
    signers[index].share(state, as: ReplicaID(UInt16(index)), in: committee)
  }

  /// Signed by the first members, as many as `count`.
  func certificate(_ ballot: Ballot, count: Int) -> Certificate {
    let votes = (0..<count).map { vote(ballot, by: $0).value }
    return Certificate(
      ballot: ballot, signers: Signers(votes.map(\.signer), of: committee.size),
      signatures: votes.map(\.signature))
  }
}

extension Signature {
  /// The same but for one bit.
  func flipped(at index: Int) -> Signature {
    var bytes = bytes
    bytes[index] ^= 1
    return Signature(bytes) ?? self
  }
}

/// A bitmap of any bytes, as a peer may send it.
func signers(_ bits: [UInt8]) throws -> Signers {
  try Signers(canonicalBytes: [UInt8(bits.count)] + bits)
}
