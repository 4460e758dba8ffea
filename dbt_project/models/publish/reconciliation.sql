{{ config(meta={
    'key': ['run_id'],
    'indexes': [['business_id', 'platform', 'account_id', 'stream']],
}) }}

with audits as (
    select * from {{ ref('fct_run_audits') }}
    where audited_at > {{ present_instant() }} - interval '30 days'
),

final as (
    select
        business_id,
        run_id,
        platform,
        account_id,
        stream,
        finished_at,
        gate,
        listed,
        stored,
        unchanged,
        quarantined,
        staged,
        in_core,
        in_mart,
        difference,
        {{ reasons_in_words('reasons') }} as reason,
        unexplained,
        audited_at
    from audits
)

select * from final
