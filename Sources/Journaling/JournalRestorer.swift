import Storage
import Wire

/// Reads what a replica starts from.
struct JournalRestorer {
  let tables: JournalTables

  func restore() throws(JournalFault) -> Restored {
    try checkTrees()
    var restored = Restored()
    restored.journalFound =
      try journaling(tables.path) { () throws(StorageFault) in
        try tables.connection.integer("SELECT count(*) FROM marker")
      } == 1
    let floor = try restoreBlocks(&restored)
    restored.votes = try tables.records(
      .vote, "SELECT view, kind, body, sum FROM votes WHERE view>?1 ORDER BY view, kind",
      keys: 2, [floor.number])
    let retained = floor.above(View(Limits.viewsRetained))
    restored.certificates = try tables.records(
      .certificate,
      "SELECT view, kind, body, sum FROM certificates WHERE view>?1 ORDER BY view, kind", keys: 2,
      [retained])
    try restoreStates(&restored)
    try restoreSingles(&restored)
    try restoreEvidence(&restored)
    return restored
  }

  /// A row that is silently gone is worse than one that is altered: `quick_check` of the tables
  /// whose rows bind this replica (sqlite.org/pragma.html#pragma_quick_check).
  private func checkTrees() throws(JournalFault) {
    for table in JournalSchema.checkedAtStart {
      let verdict = try journaling(tables.path) { () throws(StorageFault) in
        try tables.connection.text("PRAGMA quick_check('\(table)')")
      }
      guard verdict == "ok" else {
        throw tables.damaged("the table \(table): \(verdict ?? "it cannot be checked")")
      }
    }
  }

  /// - Returns: the view of the highest finalization, whose block may lie above a gap; 0 before the
  ///   first. No vote is ever cast there or below, so nothing below it is needed but for repair.
  private func restoreBlocks(_ restored: inout Restored) throws(JournalFault) -> View {
    let highest = try tables.finalizedHighest()
    restored.finalizedHeight = highest
    var floor = try tables.finalizationHighest()?.view ?? 0
    if highest > 0 {
      guard let last = try tables.block(at: highest) else {
        throw tables.damaged("the last finalized height \(highest) has no block")
      }
      restored.blocks.append(last)
      floor = max(floor, last.header.view)
    }
    restored.blocks += try tables.blocks(above: highest, floor: floor)
    return floor
  }

  private func restoreStates(_ restored: inout Restored) throws(JournalFault) {
    let certificates: [StateCertificate] = try tables.records(
      .stateCertificate,
      "SELECT height, body, sum FROM state_certificates ORDER BY height DESC LIMIT 1", keys: 1)
    restored.stateCertificate = certificates.first
    let certified = certificates.first?.height ?? 0
    let retained = certified.above(Height(JournalLimits.sharesRetained))
    let open = try tables.rows(
      """
      SELECT f.height, f.body, f.sum FROM finalized f
      LEFT JOIN state_certificates c ON c.height=f.height
      WHERE c.height IS NULL AND f.height>?1 ORDER BY f.height
      LIMIT \(JournalLimits.uncertifiedRestoredMax)
      """, keys: 1, [retained])
    for row in open {
      guard let block = try tables.block(at: Height(row.key[0])) else { continue }
      restored.uncertifiedHeaders.append(block.header)
    }
    restored.stateShares = try tables.records(
      .stateShare,
      "SELECT height, body, sum FROM state_shares WHERE height>?1 ORDER BY height", keys: 1,
      [retained])
    let highest: [StateShare] = try tables.records(
      .stateShare, "SELECT height, body, sum FROM state_shares ORDER BY height DESC LIMIT 1",
      keys: 1)
    restored.stateSignedHighest = highest.first?.statement.height ?? 0
  }

  private func restoreSingles(_ restored: inout Restored) throws(JournalFault) {
    let abstains: [Abstain] = try tables.records(
      .abstain, "SELECT body, sum FROM singles WHERE name='abstain'", keys: 0)
    restored.abstainThrough = abstains.first?.view ?? 0
    restored.abstainStatesThrough = abstains.first?.height ?? 0
    let differences: [Difference] = try tables.records(
      .quarantine, "SELECT body, sum FROM singles WHERE name='quarantine'", keys: 0)
    guard let difference = differences.first else { return }
    let rebuilds: [Rebuild] = try tables.records(
      .rebuild, "SELECT body, sum FROM singles WHERE name='rebuild'", keys: 0)
    restored.quarantine = Quarantine(
      share: difference.share, certificate: difference.certificate, rebuild: rebuilds.first)
    restored.stateSignedHighest = max(
      restored.stateSignedHighest, difference.share.statement.height)
  }

  private func restoreEvidence(_ restored: inout Restored) throws(JournalFault) {
    restored.evidence = try tables.records(
      .evidence,
      "SELECT body, sum FROM evidence ORDER BY sum LIMIT \(JournalLimits.evidenceRestoredMax)",
      keys: 0)
  }

  private struct Abstain: Canonical {
    let view: View
    let height: Height
    func encode(into encoder: inout Encoder) {
      encoder.value(view)
      encoder.value(height)
    }
    init(from decoder: inout Decoder) throws(Malformed) {
      view = try decoder.value()
      height = try decoder.value()
    }
  }

  private struct Difference: Canonical {
    let share: StateShare
    let certificate: StateCertificate
    func encode(into encoder: inout Encoder) {
      encoder.value(share)
      encoder.value(certificate)
    }
    init(from decoder: inout Decoder) throws(Malformed) {
      share = try decoder.value()
      certificate = try decoder.value()
    }
  }
}
