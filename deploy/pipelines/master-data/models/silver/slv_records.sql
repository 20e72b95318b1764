-- A record without a link is a customer of its own, named after its source.
with records as (
  select 'crm' as source, crm_id as source_id, email, phone, country, city, postcode, segment,
         null as credit_limit, null as is_blocked, marketing_ok, updated_at
  from {{ source('crm_customers') }}
  union all
  select 'billing', account_id, email, phone, country, city, postcode, null,
         credit_limit, is_blocked, null, updated_at
  from {{ source('billing_accounts') }}
  union all
  select 'shop', user_id, email, phone, country, null, null, null,
         null, null, marketing_ok, updated_at
  from {{ source('shop_users') }}
)
select r.source, r.source_id,
       coalesce(l.customer_id, r.source || ':' || r.source_id) as customer_id,
       l.customer_id is not null                               as is_linked,
       nullif(lower(trim(r.email)), '')                        as email,
       nullif(replace(replace(trim(r.phone), ' ', ''), '-', ''), '') as phone,
       r.country, nullif(trim(r.city), '') as city, nullif(trim(r.postcode), '') as postcode,
       r.segment, r.credit_limit, r.is_blocked, r.marketing_ok, r.updated_at
from records r
left join {{ source('links') }} l on l.source = r.source and l.source_id = r.source_id
