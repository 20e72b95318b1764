import Execution
import Signing
import Wire

/// What executes finalized blocks on one machine.
enum Ledger {
  /// SQLite on the machine's simulated disk.
  case sql(Executor)
  /// Consensus alone: a chain of digests stands for the state.
  case digests(DigestLedger)

  var height: Height {
    switch self {
    case .sql(let executor): executor.height
    case .digests(let ledger): ledger.height
    }
  }

  /// nil where consensus runs alone.
  var executor: Executor? { if case .sql(let executor) = self { executor } else { nil } }

  func execute(_ block: Block, digest: Digest) throws -> BlockOutcome {
    switch self {
    case .sql(let executor):
      // After a restart, heights come again that the files are past.
      try executor.outcome(at: block.header.height) ?? executor.execute(block, digest: digest)
    case .digests(let ledger): try ledger.execute(block, digest: digest)
    }
  }

  /// Before ordering: whether a call can pass at all.
  func admit(_ call: VerifiedCall, at now: Moment) throws(Refusal) {
    switch self {
    case .sql(let executor): try executor.admit(call, at: now)
    case .digests: break
    }
  }
}

/// What a client may take for an answer to its call.
enum Settlement {
  /// Consensus runs alone: the call is in a finalized block.
  case ordered
  /// A receipt that verified.
  case certified(Receipt)
}

/// A state that is nothing but the history: each root is the digest of the one before and the
/// block. It is forgotten with the process and rebuilt from the journal.
final class DigestLedger {
  private(set) var height: Height = 0
  private var root: Digest
  private var calls: Set<Digest> = []

  init(genesisRoot: Digest) { root = genesisRoot }

  func holds(_ call: Digest) -> Bool { calls.contains(call) }

  func execute(_ block: Block, digest: Digest) throws -> BlockOutcome {
    guard block.header.height == height.next else {
      throw SimulatedFault("executes height \(block.header.height) after height \(height)")
    }
    root = sha256(root.bytes + digest.bytes)
    height = block.header.height
    calls.formUnion(block.header.calls)
    return BlockOutcome(height: height, stateRoot: root, receiptsRoot: digest)
  }
}
