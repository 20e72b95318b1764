-- Survivorship, a rule an attribute. Every order ends in the record's key, so that ties have one winner
-- on every replica; "recent" is by the source's time, never by arrival.
with email as (           -- the most trusted source that has one
  select r.customer_id, r.email, r.source,
         row_number() over (partition by r.customer_id order by t.rank, r.updated_at desc, r.source, r.source_id) as k
  from {{ ref('slv_records') }} r
  join {{ ref('ref_source_trust') }} t on t.attribute = 'email' and t.source = r.source
  where r.email is not null
), phone as (             -- the most recent that is not null
  select customer_id, phone, source,
         row_number() over (partition by customer_id order by updated_at desc, source, source_id) as k
  from {{ ref('slv_records') }}
  where phone is not null
), address as (           -- country, city and postcode from one record, the most recent that has all three, else the most recent country
  select customer_id, country, city, postcode,
         row_number() over (partition by customer_id
                            order by city is null or postcode is null, updated_at desc, source, source_id) as k
  from {{ ref('slv_records') }}
  where country is not null
), segment as (           -- only of a source that is trusted about it
  select r.customer_id, r.segment,
         row_number() over (partition by r.customer_id order by t.rank, r.updated_at desc, r.source, r.source_id) as k
  from {{ ref('slv_records') }} r
  join {{ ref('ref_source_trust') }} t on t.attribute = 'segment' and t.source = r.source
  where r.segment is not null
), rest as (
  select customer_id, count(*) as records, list_sorted(source, source) as sources, max(updated_at) as updated_at,
         min(credit_limit) as credit_limit,    -- the lowest
         max(is_blocked)   as is_blocked,      -- if any says so
         min(marketing_ok) as marketing_ok     -- only if nobody says no
  from {{ ref('slv_records') }}
  group by customer_id
)
select c.customer_id,
       e.email, coalesce(e.source, 'none')   as email_source,
       p.phone, coalesce(p.source, 'none')   as phone_source,
       coalesce(a.country, 'ZZ')             as country,
       a.city, a.postcode,
       coalesce(s.segment, 'UNKNOWN')        as segment,
       coalesce(c.credit_limit, 0)           as credit_limit,
       coalesce(c.is_blocked, 0)             as is_blocked,
       coalesce(c.marketing_ok, 0)           as marketing_ok,
       c.records, c.sources, c.updated_at
from rest c
left join email   e on e.customer_id = c.customer_id and e.k = 1
left join phone   p on p.customer_id = c.customer_id and p.k = 1
left join address a on a.customer_id = c.customer_id and a.k = 1
left join segment s on s.customer_id = c.customer_id and s.k = 1
