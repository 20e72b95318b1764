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
  let balance: Cycles
  let storedBytes: UInt64
  let freezing: Freezing
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

  /// Every role that the package names.
  var roles: [Grant] {
    let grants =
      package.sources.flatMap(\.allow) + package.procedures.flatMap(\.allow)
      + package.queries.flatMap(\.allow)
    return grants.filter { if case .role = $0 { true } else { false } }
  }

  func schema(_ table: String) -> TableSchema? { schemas.first { $0.name == table } }

  var freezesBelow: Cycles { freezing.threshold(logicalBytes: storedBytes) }

  /// Whether one of the grants covers the caller; the owner is always covered.
  func isAllowed(_ caller: PublicKey?, _ grants: [Grant], _ engine: Engine) throws(Stop) -> Bool {
    if let caller, caller == owner { return true }
    for grant in grants {
      switch grant {
      case .anyone: return true
      case .key(let key): if key == caller { return true }
      case .role(let role):
        guard let caller else { continue }
        let entry = try machine { () throws(StorageFault) in
          try engine.ledgerEntry(.role, Array(role.utf8) + [0] + caller.bytes)
        }
        if entry != nil { return true }
      }
    }
    return false
  }

  var catalog: CatalogPipeline {
    CatalogPipeline(
      name: name, version: package.version, about: package.description, owner: owner,
      package: digest, balance: balance, freezesBelow: freezesBelow,
      isFrozen: balance < freezesBelow,
      sources: package.sources.map { source in
        CatalogEntry(
          name: source.name, about: source.description, allow: source.allow.map(\.description),
          fields: source.columns.map { CatalogField(name: $0.name, type: $0.type.description) })
      },
      procedures: package.procedures.map { procedure in
        CatalogEntry(
          name: procedure.name, about: procedure.description,
          allow: procedure.allow.map(\.description),
          fields: procedure.args.map { CatalogField(name: $0.name, type: $0.type.description) })
      },
      queries: package.queries.map { query in
        CatalogEntry(
          name: query.name, about: query.description, allow: query.allow.map(\.description),
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
          name: checked.name, about: checked.metric.description,
          allow: checked.allow.map(\.description),
          fields: [
            CatalogField(
              name: unit.isEmpty ? "number" : unit, type: checked.select.columns[0].type.shown.name)
          ])
      })
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

  func pipeline(_ name: String) -> PipelineView? { pipelines.first { $0.name == name } }
}
