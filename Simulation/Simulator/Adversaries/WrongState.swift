import Wire

/// Signs another state root than execution gives, from its second block on.
struct WrongState: Adversary {
  func executed(_ outcome: BlockOutcome) -> BlockOutcome {
    guard outcome.height > 1 else { return outcome }
    return BlockOutcome(
      height: outcome.height, stateRoot: outcome.receiptsRoot, receiptsRoot: outcome.stateRoot)
  }
}
