import Certification
import Signing
import Storage
import Wire

extension Executor {
  /// Bytes of memory that the tries over all files take: they grow with the rows.
  package var trieBytes: Int {
    pipelines.values.reduce(system.ledger.trie.memoryBytes) { bytes, file in
      bytes + file.ledger.trie.memoryBytes + file.data.trie.memoryBytes
    }
  }

  /// Shows the height just executed to the reader. A failure to pin it costs reads, not blocks.
  func publish() {
    guard isLevel, let view = try? view() else { return }
    reader.add(view)
  }

  private func view() throws(ExecutionFault) -> HeightView {
    let known = reader.newest
    let components = try components(at: height, systemRoot: latest.systemRoot)
    var views: [PipelineView] = []
    for name in pipelines.keys.sorted() {
      guard let file = pipelines[name], let deployed = file.deployed, let owner = file.owner else {
        continue
      }
      if let same = known?.pipeline(name), same.since == file.height {
        views.append(same.paying(by: system.schedule))
        continue
      }
      let pin = try wrapped { () throws(StorageFault) in
        try reader.pool("pipelines/\(name).sqlite").pin()
      }
      views.append(
        PipelineView(
          name: name, checked: deployed.checked, digest: deployed.digest, owner: owner,
          account: file.account, schedule: system.schedule,
          schemas: file.data.tables.keys.sorted().compactMap { file.data.tables[$0]?.schema },
          progress: try wrapped { () throws(StorageFault) in try file.progress() },
          trie: file.data.trie, ledgerTrie: file.ledger.trie, since: file.height, pin: pin))
    }
    let systemPin: Pin
    if let known, known.systemSince == system.height {
      systemPin = known.system
    } else {
      systemPin = try wrapped { () throws(StorageFault) in
        try reader.pool("system.sqlite").pin()
      }
    }
    return HeightView(
      height: height, time: latest.time, stateRoot: latest.state, components: components,
      pipelines: views, system: systemPin, systemSince: system.height,
      schedule: system.schedule)
  }
}
