{{ config(meta={
    'key': ['run_id', 'metric'],
    'indexes': [['business_id', 'platform', 'account_id', 'stream']],
}) }}

with totals as (
    select * from {{ ref('fct_run_totals') }}
    where audited_at > {{ present_instant() }} - interval '30 days'
),

final as (
    select
        business_id,
        run_id,
        platform,
        account_id,
        stream,
        metric,
        records,
        listed,
        in_core,
        in_mart,
        difference,
        {{ reasons_in_words('reasons') }} as reason,
        unexplained,
        audited_at
    from totals
)

select * from final
