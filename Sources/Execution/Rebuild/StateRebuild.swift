import Certification
import Storage
import Wire

/// Executes a quarantined replica's own log anew, in an empty folder, and holds what it comes to
/// against every state certificate of that log.
///
/// - Safety: reads the old files and writes to none of them. What it made may be used only if the
///   verdict agrees: then every certified height came to its certificate's roots, and the files,
///   closed and read again, came to the roots that memory had.
/// - Bound: the time that the replica took to execute its log; two rows at a time where files are
///   compared.
package struct StateRebuild {
  private let quarantine: Quarantine
  private let genesis: Genesis
  private let vfs: String?
  private let planted: Set<PlantedBug>

  /// What it came to.
  package struct Result: Sendable {
    package let verdict: Rebuild
    /// Where the old files differ, as of the last height that they hold; looked for only where
    /// the log came to the certified state at that height.
    package let differences: [StateDifference]
  }

  /// - Parameter planted: rules to break, for simulations.
  package init(
    of quarantine: Quarantine, genesis: Genesis, vfs: String? = nil,
    planted: Set<PlantedBug> = []
  ) {
    self.quarantine = quarantine
    self.genesis = genesis
    self.vfs = vfs
    self.planted = planted
  }

  /// - Parameters:
  ///   - old: the folder of the files that the replica was quarantined with.
  ///   - new: the folder of the new ones; holds none.
  ///   - finalized: the last height of the log.
  ///   - certificate: the one of a height, if the log holds it.
  ///   - told: what this replica makes of an outcome; of use to simulated liars alone.
  /// - Throws: `ExecutionFault`, or what the log throws. Nothing is known of the state then.
  package func run(
    from old: String, into new: String, through finalized: Height,
    block: (Height) throws -> Block?, certificate: (Height) throws -> StateCertificate?,
    told: (BlockOutcome) -> BlockOutcome = { $0 }
  ) throws -> Result {
    let made = try execute(
      from: old, into: new, through: finalized, block: block, certificate: certificate, told: told)
    if made.result.verdict.agrees { try reread(new, made.components, at: finalized) }
    return made.result
  }

  /// - Returns: what it came to, and the roots of all files at the last height; its files are
  ///   closed then.
  private func execute(
    from old: String, into new: String, through finalized: Height,
    block: (Height) throws -> Block?, certificate: (Height) throws -> StateCertificate?,
    told: (BlockOutcome) -> BlockOutcome
  ) throws -> (result: Result, components: [Component]) {
    let executor = try Executor(directory: new, vfs: vfs, genesis: genesis, planted: planted)
    guard executor.height == 0 else {
      throw ExecutionFault(.mismatch, "\(new) is to be empty and is at \(executor.height)")
    }
    let engine = try EngineFingerprint.own()
    let comparison = StateComparison(held: old, rebuilt: new, vfs: vfs)
    let heldHeight = comparison.heldHeight
    var verdict: Rebuild?
    var differences: [StateDifference] = []
    while executor.height < finalized {
      let height = executor.height.next
      guard let block = try block(height) else {
        throw ExecutionFault(.mismatch, "the journal holds no block of height \(height)")
      }
      let outcome = told(try executor.execute(block, digest: block.header.digest))
      let isOwn = height == quarantine.certificate.height
      if let known = isOwn ? quarantine.certificate : try certificate(height) {
        let compared = judged(outcome, by: known, engine)
        guard compared.agrees else { return (Result(verdict: compared, differences: []), []) }
        if isOwn { verdict = compared }
      }
      if height == heldHeight {
        differences = comparison.differences(pipelines: executor.pipelines.keys.sorted())
      }
    }
    guard let verdict else {
      throw ExecutionFault(
        .mismatch,
        "the journal ends at height \(finalized), below the certificate of "
          + "\(quarantine.certificate.height)")
    }
    try executor.checkpoint()
    if heldHeight == nil { differences = [comparison.unreadable] }
    return (
      Result(verdict: verdict, differences: differences), try executor.components(at: finalized)
    )
  }

  /// A write that the disk lost or changed shows here, before anything counts.
  private func reread(
    _ folder: String, _ components: [Component], at height: Height
  ) throws(ExecutionFault) {
    let found = try Executor(directory: folder, vfs: vfs, genesis: genesis, planted: planted)
      .components(at: height)
    guard found != components else { return }
    let names = Set(found).symmetricDifference(components).map(\.name)
    throw ExecutionFault(
      .damaged,
      "the rebuilt files do not hold what was written to them: \(Set(names).sorted()) come to "
        + "other roots when they are read again. Check this machine's disk and memory")
  }

  private func judged(
    _ outcome: BlockOutcome, by certificate: StateCertificate, _ engine: EngineFingerprint
  ) -> Rebuild {
    let statement = certificate.statement
    guard !planted.contains(.rebuildUnverified) else {
      return Rebuild(
        certificate: certificate, stateRoot: statement.stateRoot,
        receiptsRoot: statement.receiptsRoot, engine: engine)
    }
    return Rebuild(
      certificate: certificate, stateRoot: outcome.stateRoot, receiptsRoot: outcome.receiptsRoot,
      engine: engine)
  }
}
