-- The version that was the current one just before the event. Strictly before: an update of the same
-- block has the same time, and whether it was known is a matter of luck.
-- A payment is bound by two times: it happened before the event, and it was known before the event.
with profile as (
  select e.event_id, h.plan, h.region, h.credit_limit, h.valid_from
  from {{ ref('slv_events') }} e
  join {{ ref('slv_profile_history') }} h on h.customer_id = e.customer_id
   and h.valid_from < e.event_at and (h.valid_to is null or h.valid_to >= e.event_at)
), paid as (
  select e.event_id, p.amount, p.is_failed, p.valid_from,
         p.paid_at > e.event_at - {{ var('window_ms') }} as is_recent
  from {{ ref('slv_events') }} e
  join {{ ref('slv_payment_history') }} p on p.customer_id = e.customer_id
   and p.valid_from < e.event_at and (p.valid_to is null or p.valid_to >= e.event_at)
   and p.paid_at <= e.event_at
), payments as (
  select event_id, count(*) as total, sum(is_recent) as recent,
         sum(case when is_recent and is_failed then 1 else 0 end)          as failed,
         sum(case when is_recent and not is_failed then amount else 0 end) as amount,
         max(valid_from)                                                   as known_from
  from paid
  group by event_id
)
select e.event_id, e.customer_id, e.event_at,
       f.valid_from is not null      as is_known,
       coalesce(f.plan, 'UNKNOWN')   as plan,
       f.region, f.credit_limit,
       f.valid_from                  as profile_from,
       coalesce(p.total, 0)          as payments_total,
       coalesce(p.recent, 0)         as payments_30d,
       coalesce(p.failed, 0)         as failed_30d,
       coalesce(p.amount, 0)         as amount_30d,
       p.known_from                  as payments_from,
       coalesce(f.valid_from < e.event_at, 1) and coalesce(p.known_from < e.event_at, 1) as is_of_its_time
from {{ ref('slv_events') }} e
left join profile f on f.event_id = e.event_id
left join payments p on p.event_id = e.event_id
