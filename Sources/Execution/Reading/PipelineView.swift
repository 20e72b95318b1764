import Certification
import Metering
import Pipelines
import Storage
import Wire

/// A pipeline as it stands at one height, for reading. Immutable but for its pin, which may be let
/// go.
struct PipelineView: Sendable {
  let name: String
  let checked: CheckedPackage
  let digest: Digest
  let owner: PublicKey
  /// As of `since`; `account(at:)` is as of a later time.
  private let account: PipelineAccount
  private(set) var schedule: PriceSchedule
  /// Schemas by table, ascending by name.
  let schemas: [TableSchema]
  /// Ascending by source.
  let progress: [SourceProgress]
  let trie: StateTrie
  let ledgerTrie: StateTrie
  /// The height since which the file is as it is.
  let since: Height
  let pin: Pin

  var package: Package { checked.package }
  var freezing: Freezing { Freezing(prices: schedule.newest, days: package.freezingDays) }

  init(
    name: String, checked: CheckedPackage, digest: Digest, owner: PublicKey,
    account: PipelineAccount, schedule: PriceSchedule, schemas: [TableSchema],
    progress: [SourceProgress], trie: StateTrie, ledgerTrie: StateTrie, since: Height, pin: Pin
  ) {
    self.name = name
    self.checked = checked
    self.digest = digest
    self.owner = owner
    self.account = account
    self.schedule = schedule
    self.schemas = schemas
    self.progress = progress
    self.trie = trie
    self.ledgerTrie = ledgerTrie
    self.since = since
    self.pin = pin
  }

  /// The same file where other prices are in force.
  func paying(by schedule: PriceSchedule) -> PipelineView {
    var view = self
    view.schedule = schedule
    return view
  }

  /// Every role that the package names.
  var roles: [Grant] { package.roles.map { .role($0) } }

  func schema(_ table: String) -> TableSchema? { schemas.first { $0.name == table } }

  /// The account with its storage charged up to a block time.
  func account(at time: Moment) -> PipelineAccount {
    var account = account
    account.advance(to: time, schedule)
    return account
  }

  /// Why the caller may call; nil when no grant covers it. The owner is always covered.
  func ground(
    _ caller: PublicKey?, _ grants: [Grant], _ engine: Engine
  ) throws(Stop) -> CallerGround? {
    try machine { () throws(StorageFault) in
      try CallerGround.of(caller, owner: owner, grants) { role, key throws(StorageFault) in
        try engine.ledgerEntry(.role, RoleGrant(role: role, key: key).entry) != nil
      }
    }
  }

  func isAllowed(_ caller: PublicKey?, _ grants: [Grant], _ engine: Engine) throws(Stop) -> Bool {
    try ground(caller, grants, engine) != nil
  }

  func catalog(at time: Moment) -> CatalogPipeline {
    let account = account(at: time)
    return CatalogPipeline(
      name: name, version: package.version, about: package.description.inCatalog, owner: owner,
      package: digest, balance: account.cycles.balance, freezesBelow: threshold(of: account),
      condition: account.condition(freezing, at: time),
      sources: package.sources.map { source in
        CatalogEntry(
          name: source.name, about: source.description.inCatalog,
          allow: source.allow.map(\.description),
          fields: source.columns.map { CatalogField(name: $0.name, type: $0.type.description) })
      },
      procedures: package.procedures.map { procedure in
        CatalogEntry(
          name: procedure.name, about: procedure.description.inCatalog,
          allow: procedure.allow.map(\.description),
          fields: procedure.args.map { CatalogField(name: $0.name, type: $0.type.description) })
      },
      queries: package.queries.map { query in
        CatalogEntry(
          name: query.name, about: query.description.inCatalog,
          allow: query.allow.map(\.description),
          fields: query.args.map { CatalogField(name: $0.name, type: $0.type.description) })
      },
      tables: schemas.map { schema in
        let model = package.model(schema.name)
        return CatalogTable(
          name: schema.name, layer: model?.layer.rawValue ?? "bronze",
          isCertified: model?.certified ?? false,
          columns: schema.columns.map { CatalogField(name: $0.name, type: $0.type.name) },
          key: schema.key.map { schema.columns[$0].name })
      }, progress: progress,
      metrics: checked.metrics.map { checked in
        let unit = checked.metric.unit
        return CatalogEntry(
          name: checked.name, about: checked.metric.description.inCatalog,
          allow: checked.allow.map(\.description),
          fields: [
            CatalogField(
              name: unit.isEmpty ? "number" : unit, type: checked.select.columns[0].type.shown.name)
          ])
      })
  }
}

extension PipelineView {
  private func threshold(of account: PipelineAccount) -> Cycles {
    freezing.threshold(logicalBytes: account.storedBytes)
  }

  /// Ascending by source.
  func counts(_ engine: Engine) throws(Stop) -> [SourceCounts] {
    try machine { () throws(StorageFault) in
      var all: [SourceCounts] = []
      for source in checked.sources.map(\.source) {
        let stored = try engine.ledgerEntry(.value, PipelineFile.countsKey(source.name))
        all.append(SourceCounts(of: source, stored: stored))
      }
      return all
    }
  }

  /// What the pipeline holds, burns and lets in at a height.
  func report(at view: HeightView, _ engine: Engine) throws(Stop) -> PipelineReport {
    let (roles, spending) = try machine { () throws(StorageFault) in
      (try engine.ledgerEntries(.role), try engine.ledgerEntries(.spending))
    }
    let account = account(at: view.time)
    return PipelineReport(
      pipeline: name, height: view.height, time: view.time,
      condition: account.condition(freezing, at: view.time), balance: account.cycles.balance,
      reserved: account.cycles.reserved, burned: account.cycles.burned,
      burnedToday: account.burnedToday, burnedYesterday: account.burnedYesterday,
      storedBytes: account.storedBytes,
      storageDaily: freezing.prices.storage(bytes: account.storedBytes, seconds: 86_400),
      freezesBelow: threshold(of: account), burns: account.burns,
      grants: roles.compactMap { RoleGrant(entry: $0.key) },
      callerBudget: package.budget.callerDaily, publicBudget: package.budget.publicDaily,
      spending: Array(
        Allowance.spending(at: view.time, spending).prefix(ExecutionLimits.spendingListed)),
      counts: try counts(engine))
  }
}

/// A subnet as it stands at one height.
struct HeightView: Sendable {
  let height: Height
  let time: Moment
  let stateRoot: Digest
  let components: [Component]
  /// Ascending by name.
  let pipelines: [PipelineView]
  let system: Pin
  /// The height since which the system file is as it is.
  let systemSince: Height
  let schedule: PriceSchedule

  /// By which calls pay that are ordered next.
  var prices: PriceTable { schedule.newest }

  func pipeline(_ name: String) -> PipelineView? { pipelines.first { $0.name == name } }
}

extension String {
  /// As much of a description as a catalog holds.
  fileprivate var inCatalog: String { cut(to: Limits.textBytesMax) }
}
